"""How a service ends: signals arrive in any thread, and it closes in reverse order."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Each program runs in a separate process, because it sets the signal mask and ends the process.
WAITS = """
import os, signal, sys, threading
from services.runtime.shutdown import Shutdown, block_signals

block_signals()
threading.Thread(target=threading.Event().wait, daemon=True).start()
shutdown = Shutdown()
os.kill(os.getpid(), signal.SIGTERM)
code = shutdown.wait()
if sys.argv[1] == "twice":
    os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait()
sys.exit(code + 40)
"""

RUNS = """
import sys
from functools import partial
from services.member_level.composition import build

# Not to stdout: there, a line of the log by another thread may come between text and newline.
tell = partial(print, file=sys.stderr)

class Transport:
    name = "test"

    def start(self):
        tell("transport starts")

    def stop(self, grace):
        tell("transport stops")

service = build()
for name in ("first", "second"):
    service.add_background(partial(tell, name, "starts"), partial(tell, name, "closes"))
service.shutdown.fail()
sys.exit(service.run(Transport()) + 40)
"""


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *arguments]
    # Nothing answers at this address: a service also starts and ends without its store.
    environment = {**os.environ, "REDIS_URL": "redis://127.0.0.1:1/0"}
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        timeout=30,
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_signal_is_received_while_every_thread_waits() -> None:
    assert run(WAITS, "once").returncode == 40


def test_a_second_signal_ends_the_process_at_once() -> None:
    assert run(WAITS, "twice").returncode == 1


def test_a_service_closes_in_reverse_order_of_its_start() -> None:
    ended = run(RUNS)
    assert ended.returncode == 41
    assert ended.stderr.splitlines() == [
        "first starts",
        "second starts",
        "transport starts",
        "transport stops",
        "second closes",
        "first closes",
    ]
