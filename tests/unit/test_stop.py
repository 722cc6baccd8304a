"""A service hears a signal, whichever of its threads the kernel gives it to."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# In a process of its own, as signal handlers are the process's.
PROGRAM = """
import signal, sys, threading, time
from services.runtime.server import Stop

stop = Stop()

def other_thread():
    # The main thread waits by now; if not, the test proves less and fails no less.
    time.sleep(0.3)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    threading.Event().wait()

threading.Thread(target=other_thread, daemon=True).start()
sys.exit(stop.wait() + 40)
"""


def test_a_signal_that_another_thread_gets_is_heard() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, timeout=30, check=False)
    assert done.returncode == 40
