"""Name lookups that end in time.

getaddrinfo obeys no timeout. Measured: with the store's container cut off its network, Docker's
name server was silent, and every call that wanted a new connection was held for 10 seconds.
"""

import socket
import threading
from concurrent.futures import Future
from contextlib import suppress
from ipaddress import ip_address


def require_known(host: str, port: int, seconds: float | None) -> None:
    """Raises TimeoutError if the name server is silent for so long, OSError without such a name."""
    with suppress(ValueError):
        ip_address(host)
        return
    found: Future[None] = Future()

    def look_up() -> None:
        try:
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            found.set_exception(error)
        else:
            found.set_result(None)

    # A daemon, unlike the threads of an executor: the end of the process must not wait for it.
    threading.Thread(target=look_up, name="lookup", daemon=True).start()
    found.result(seconds)
