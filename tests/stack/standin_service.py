"""Stands in for a service: health, a log line, a drain. Its name is that of its directory."""

import json
import os
import signal
import sys
from concurrent import futures
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2_grpc

NAME = Path(__file__).parent.name
PREFIX = NAME.upper()


def main() -> None:
    if os.environ.get("STANDIN_REFUSES"):
        sys.exit("cannot start: a reason")
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    server = grpc.server(futures.ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    server.add_insecure_port(f"127.0.0.1:{os.environ[f'{PREFIX}_PORT']}")
    server.start()
    told = {
        name: os.environ[name]
        for name in ("REDIS_URL", f"{PREFIX}_METRICS_PORT", f"{PREFIX}_DRAIN_SECONDS")
    }
    print(json.dumps({"event": "started", "level": "info", **told}))
    signal.sigwait([signal.SIGTERM])
    server.stop(0).wait()
    print(json.dumps({"event": "drained", "level": "info"}))


if __name__ == "__main__":
    main()
