"""The transport of the server inside Envoy: it stops Envoy, which starts to listen by itself."""

import http.client
import socket
import time
from contextlib import suppress

from services.runtime.envoy_server.built_in import BuiltIn

_POLL_SECONDS = 0.05
_ANSWER_SECONDS = 2.0
_CALLS_IN_PROGRESS = "http.service.downstream_rq_active"


class EnvoyTransport:
    """A transport: see services/runtime/service.py."""

    name = "envoy"

    def __init__(self, admin: str, built_in: BuiltIn) -> None:
        """`admin` is the socket of Envoy's administration; a leading "@" means an abstract one."""
        self._admin = admin
        self._built_in = built_in

    def start(self) -> None:
        """Does nothing: Envoy listens as soon as the application is loaded."""

    def stop(self, grace: float) -> None:
        deadline = time.monotonic() + grace
        with suppress(OSError, http.client.HTTPException):
            self._ask("POST", "/drain_listeners?graceful&skip_exit")
            self._built_in.close()
            while time.monotonic() < deadline and self._calls_in_progress():
                time.sleep(_POLL_SECONDS)
            # Envoy has the last reply by now; this is time to send it.
            time.sleep(_POLL_SECONDS)

    def _calls_in_progress(self) -> int:
        _, _, value = self._ask("GET", f"/stats?filter={_CALLS_IN_PROGRESS}").partition(": ")
        return int(value or 0)

    def _ask(self, method: str, path: str) -> str:
        connection = _UnixConnection(self._admin)
        try:
            connection.request(method, path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, name: str) -> None:
        super().__init__("admin", timeout=_ANSWER_SECONDS)
        self._name = name

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._name.replace("@", "\0", 1))
