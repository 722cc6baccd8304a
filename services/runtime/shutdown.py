"""The request to shut down: by a signal, or by the service itself."""

import os
import queue
import signal
import threading

_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})


def block_signals() -> None:
    """Keeps SIGTERM and SIGINT pending until a `Shutdown` takes them.

    Call it before there are threads: they inherit it, as does a program that replaces this one.
    Python would run a handler only when its main thread wakes, and inside Envoy the main thread is
    Envoy's.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


class Shutdown:
    """Requested by the first signal, with exit code 0, or by `fail`, with exit code 1.

    A second signal ends the process immediately.
    """

    def __init__(self) -> None:
        self.stopping = threading.Event()
        """Set when the shutdown begins: background work and open streams end."""
        self._codes: queue.SimpleQueue[int] = queue.SimpleQueue()
        threading.Thread(target=self._take_signals, name="signals", daemon=True).start()

    def fail(self) -> None:
        self._codes.put(1)

    def wait(self) -> int:
        """Waits for the request, sets `stopping`, and returns the exit code."""
        code = self._codes.get()
        self.stopping.set()
        return code

    def _take_signals(self) -> None:
        signal.sigwait(_SIGNALS)
        self._codes.put(0)
        signal.sigwait(_SIGNALS)
        os._exit(1)
