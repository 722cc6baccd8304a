"""Runs a command that is told to stop when the process that started it dies: Linux only.

    python -I -S tether.py PARENT COMMAND [ARGUMENT...]

A stack that is killed with SIGKILL cannot stop its parts; the kernel then sends each of them
SIGTERM. Asked for here, between fork and the command, because Python's preexec_fn may deadlock in
a process with threads (gRPC has some). The command takes this process's place: one process, one id.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        # It died before the kernel was asked: no signal will come.
        raise SystemExit(1)
    try:
        os.execvp(command[0], command)  # noqa: S606 - replaced by the command, not run in a shell
    except OSError as error:
        raise SystemExit(f"{command[0]}: {error.strerror}") from error


if __name__ == "__main__":
    main()
