"""The baseline: grpcio with as many threads, and a handler that does nothing. Argument: PORT."""

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health, health_pb2_grpc

from levelgate.upbot.v1.upbot_checks_pb2 import (
    CheckResult,
    CheckUserXYLevelRequest,
    CheckUserXYLevelResponse,
)


def check(
    _request: CheckUserXYLevelRequest, _context: grpc.ServicerContext
) -> CheckUserXYLevelResponse:
    return CheckUserXYLevelResponse(data=CheckResult(ok=True))


def main(port: str) -> None:
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
    handler = grpc.unary_unary_rpc_method_handler(
        check, CheckUserXYLevelRequest.FromString, CheckUserXYLevelResponse.SerializeToString
    )
    service = "levelgate.upbot.v1.UpbotChecks"
    handlers = grpc.method_handlers_generic_handler(service, {"CheckUserXYLevel": handler})
    server.add_generic_rpc_handlers((handlers,))
    # The gateway checks health before it sends a call.
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main(sys.argv[1])
