"""A stand-in for a component, which fails in ways that a real one cannot be made to.

    stand_in.py NAME JOURNAL [BEHAVIOUR...]

It writes what happens to it into the journal, one line for each event.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path


def main() -> None:
    name, journal, behaviours = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]

    def note(what: str) -> None:
        with journal.open("a") as file:
            file.write(f"{what} {name}\n")

    def stop(*_: object) -> None:
        note("stopping")
        note("stopped")
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, signal.SIG_IGN if "stubborn" in behaviours else stop)
    print(f"hello from {name}", flush=True)
    if "crash" in behaviours:
        sys.stdout.buffer.write(b"cannot go on: \x1b[2Jthe caf\xe9\tis closed\r\n")
        raise SystemExit(3)
    if "chatter" in behaviours:
        sys.stdout.write("much to say\n" * 200_000)
        sys.stdout.flush()
    if "parent" in behaviours:
        child = subprocess.Popen(["sleep", "60"])
        journal.with_suffix(".grandchild").write_text(str(child.pid))
    note(f"process {os.getpid()}")
    note("ready")
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
