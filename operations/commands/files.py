"""The files of an operator's command that runs in a container."""

import os
import sys
from pathlib import Path


def require_mounted(path: Path) -> None:
    """Ends the process if the file would be lost with the container."""
    # docker-compose.yml sets it, and mounts that directory as the working directory.
    if os.environ.get("OPERATOR_FILES") and not path.resolve().is_relative_to(Path.cwd()):
        sys.exit(
            f"{path} is outside of the directory OPERATOR_FILES, which is the working directory in"
            " this container: use a path relative to it"
        )
