"""A service hears a signal, whichever of its threads the kernel gives it to."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# In a process of its own, as the signal mask and the end are the process's.
PROGRAM = """
import os, signal, sys, threading
from services.runtime.stop import Stop, hold_signals

hold_signals()
threading.Thread(target=threading.Event().wait, daemon=True).start()
stop = Stop()
os.kill(os.getpid(), signal.SIGTERM)
code = stop.wait()
if sys.argv[1] == "twice":
    os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait()
sys.exit(code + 40)
"""


def ends_with(signals: str) -> int:
    command = [sys.executable, "-c", PROGRAM, signals]
    return subprocess.run(command, cwd=ROOT, timeout=30, check=False).returncode


def test_a_signal_is_heard_while_every_thread_waits() -> None:
    assert ends_with("once") == 40


def test_a_second_signal_ends_the_process_at_once() -> None:
    assert ends_with("twice") == 1
