"""A stand-in for a component, which fails in ways that a real one cannot be made to.

    stand_in.py NAME JOURNAL [BEHAVIOUR...]

It writes what happens to it into the journal, one line for each event.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

DRAIN_SECONDS = 0.15


def main() -> None:
    name, journal, behaviours = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]

    def note(what: str) -> None:
        with journal.open("a") as file:
            file.write(f"{what} {name}\n")

    def stop(*_: object) -> None:
        note("stopping")
        # Long enough for the journal to show if another stage is stopped too early.
        time.sleep(DRAIN_SECONDS)
        note("stopped")
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, signal.SIG_IGN if "stubborn" in behaviours else stop)
    print(f"hello from {name}", flush=True)
    if "crash" in behaviours:
        print("cannot go on: \x1b[2Jthe reason", flush=True)
        raise SystemExit(3)
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
