"""The files of an operator's command that runs in a container."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


def require_mounted(path: Path) -> None:
    """Ends the process if the file would be lost with the container."""
    # docker-compose.yml sets it, and mounts that directory as the working directory.
    if os.environ.get("OPERATOR_FILES") and not path.resolve().is_relative_to(Path.cwd()):
        sys.exit(
            f"{path} is outside of the directory OPERATOR_FILES, which is the working directory in"
            " this container: use a path relative to it"
        )


@contextmanager
def named_when_complete(
    path: Path, opener: Callable[[str, int], int] | None = None
) -> Iterator[TextIO]:
    """Opens PATH.part for writing. It is renamed at the end, and deleted after an exception."""
    part = path.with_name(path.name + ".part")
    # A command that was killed may have left one, with other permissions.
    part.unlink(missing_ok=True)
    try:
        with open(part, "x", encoding="utf-8", newline="\n", opener=opener) as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
