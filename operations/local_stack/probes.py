"""Is a part healthy? Each probe answers None, or the reason why not.

They ask the way a client would, because a process that runs is not yet one that serves.
"""

import http.client

import grpc
import redis
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pydantic import SecretStr

from operations.local_stack.component import Probe
from operations.local_stack.preflight import HOST
from services.store.client import connect
from services.store.settings import StoreSettings

ANSWER_SECONDS = 1.0


def store_answers(url: str) -> Probe:
    def probe() -> str | None:
        try:
            # The client of the services: a single node or a cluster, and nothing retried.
            settings = StoreSettings(
                url=SecretStr(url),
                timeout_seconds=ANSWER_SECONDS,
                connect_seconds=ANSWER_SECONDS,
            )
            client = connect(settings)
            try:
                client.ping()
            finally:
                client.close()
        # BusyLoadingError is one of them: the store still reads its data.
        except (redis.RedisError, OSError) as error:
            return str(error) or type(error).__name__
        except ValueError:
            # Its text may hold what follows the last colon: a password, if an @ is missing.
            return "it is no address as redis://host:6379/0, rediss://... or redis+cluster://..."
        return None

    return probe


def service_serves(port: int) -> Probe:
    # A proxy of the environment must not be asked for 127.0.0.1, and a pooled subchannel would
    # wait out the back-off of the probe before.
    options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]

    def probe() -> str | None:
        with grpc.insecure_channel(f"{HOST}:{port}", options=options) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            try:
                # types-grpcio leaves the stub's methods out.
                reply = health.Check(  # type: ignore[attr-defined]
                    health_pb2.HealthCheckRequest(), timeout=ANSWER_SECONDS
                )
            except grpc.RpcError as error:
                return f"gRPC health check on port {port}: {error.code().name}"
        if reply.status != health_pb2.HealthCheckResponse.SERVING:
            status = health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)
            return f"gRPC health check on port {port}: {status}"
        return None

    return probe


def gateway_answers(port: int) -> Probe:
    def probe() -> str | None:
        connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", "/healthz")
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return f"GET /healthz on port {port}: {error}"
        finally:
            connection.close()
        return None if status == http.HTTPStatus.OK else f"GET /healthz on port {port}: {status}"

    return probe
