"""A stand-in for a part of the stack, which does what its arguments say.

    part.py NAME JOURNAL [BEHAVIOUR...]

SIGUSR1 makes it crash. It writes what happens to it into the journal, a line each, in one write.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

CRASH_CODE = 3
DRAIN_SECONDS = 0.15


def main() -> None:
    name, journal, behaviours = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]

    def note(what: str) -> None:
        with journal.open("a") as file:
            file.write(f"{what} {name}\n")

    def stop(*_: object) -> None:
        note("stopping")
        # So that a neighbour told to stop too early would be seen in the journal.
        time.sleep(DRAIN_SECONDS)
        note("stopped")
        raise SystemExit(0)

    def crash(*_: object) -> None:
        print("cannot go on: \x1b[2Jthe reason", flush=True)
        os._exit(CRASH_CODE)

    signal.signal(signal.SIGTERM, signal.SIG_IGN if "stubborn" in behaviours else stop)
    signal.signal(signal.SIGUSR1, crash)
    print(f"hello from {name}", flush=True)
    if "crash" in behaviours:
        crash()
    if "chatter" in behaviours:
        sys.stdout.write("much to say\n" * 200_000)
    if "parent" in behaviours:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        journal.with_suffix(".grandchild").write_text(str(child.pid))
    note(f"process {os.getpid()}")
    if "unhealthy" not in behaviours:
        note("healthy")
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
