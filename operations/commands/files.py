"""Where an operator's command finds its files in a container."""

import os
import sys
from pathlib import Path


def require_mounted(path: Path) -> None:
    """Ends the process where the file is in the container, but not in the caller's directory."""
    # docker-compose.yml sets it for the operator; what is elsewhere goes with the container.
    if os.environ.get("OPERATOR_FILES") and not path.resolve().is_relative_to(Path.cwd()):
        sys.exit(
            f"{path} is outside of the directory OPERATOR_FILES, which is mounted as the working"
            " directory of this container: give a path relative to it"
        )
