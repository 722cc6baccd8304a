"""Drains Envoy before it is stopped; SIGTERM alone would drop requests in progress (measured)."""

import time
import urllib.error
import urllib.request

from gateway.settings import CommonSettings

_POLL_SECONDS = 0.05
_ADMIN_TIMEOUT = 1.0
_ACTIVE = "http.gateway.downstream_rq_active"


def drain(settings: CommonSettings) -> None:
    """Makes /healthz fail, stops listening, and waits until no request is in progress."""
    host = settings.admin_address
    admin = f"http://{f'[{host}]' if ':' in host else host}:{settings.admin_port}"
    closed = time.monotonic() + settings.linger_seconds
    deadline = closed + settings.drain_seconds
    try:
        _post(f"{admin}/healthcheck/fail")
        _post(f"{admin}/drain_listeners?graceful&skip_exit")
        # While Envoy still listens, another request may arrive at any moment.
        while time.monotonic() < closed or (time.monotonic() < deadline and _active(admin)):
            time.sleep(_POLL_SECONDS)
    except (urllib.error.URLError, OSError):
        # An Envoy that does not answer has nothing left to drain.
        return


def _active(admin: str) -> int:
    with urllib.request.urlopen(f"{admin}/stats?filter={_ACTIVE}", timeout=_ADMIN_TIMEOUT) as page:  # noqa: S310
        _, _, value = page.read().decode().partition(": ")
    return int(value or 0)


def _post(url: str) -> None:
    request = urllib.request.Request(url, method="POST")  # noqa: S310  (our own admin address)
    urllib.request.urlopen(request, timeout=_ADMIN_TIMEOUT).close()  # noqa: S310
