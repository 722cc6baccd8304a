"""Stands in for the gateway: answers /healthz, and tells what it was told."""

import json
import os
import signal
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer


class Healthz(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(HTTPStatus.OK if self.path == "/healthz" else HTTPStatus.NOT_FOUND)
        self.end_headers()


def main() -> None:
    server = HTTPServer(("127.0.0.1", int(os.environ["GATEWAY_PORT"])), Healthz)
    signal.signal(
        signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start()
    )
    told = {name: value for name, value in os.environ.items() if name.startswith("GATEWAY_")}
    print(json.dumps(told))
    server.serve_forever()


if __name__ == "__main__":
    main()
