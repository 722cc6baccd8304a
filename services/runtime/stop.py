"""What ends a service: a signal, or a finding of the service itself."""

import os
import queue
import signal
import threading

_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})


def hold_signals() -> None:
    """Keeps SIGTERM and SIGINT pending until `Stop` takes them.

    To be called before there are threads, which inherit it, as a program does that takes the place
    of this one. Python would run a handler only when its main thread wakes, and inside Envoy that
    thread is Envoy's.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


class Stop:
    """Asked for by the first signal, which means exit code 0, or by `fail`, which means 1.

    A second signal ends the process at once.
    """

    def __init__(self) -> None:
        self._codes: queue.SimpleQueue[int] = queue.SimpleQueue()
        threading.Thread(target=self._take_signals, name="signals", daemon=True).start()

    def fail(self) -> None:
        self._codes.put(1)

    def wait(self) -> int:
        """Waits to be asked; returns the exit code."""
        return self._codes.get()

    def _take_signals(self) -> None:
        signal.sigwait(_SIGNALS)
        self._codes.put(0)
        signal.sigwait(_SIGNALS)
        os._exit(1)
