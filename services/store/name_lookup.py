"""Name lookups with a timeout, which getaddrinfo lacks.

Measured with the store's container cut off from its network: Docker's name server was silent, and
every call that needed a new connection waited for 10 seconds.
"""

import socket
import threading
from concurrent.futures import Future
from contextlib import suppress
from ipaddress import ip_address


def require_resolvable(host: str, port: int, seconds: float | None) -> None:
    """Raises TimeoutError if the name server does not answer in time, OSError for no such name."""
    with suppress(ValueError):
        ip_address(host)
        return
    result: Future[None] = Future()

    def look_up() -> None:
        try:
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            result.set_exception(error)
        else:
            result.set_result(None)

    # A daemon thread, unlike an executor's, does not delay the end of the process.
    threading.Thread(target=look_up, name="lookup", daemon=True).start()
    result.result(seconds)
