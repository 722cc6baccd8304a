"""The `make run` of this directory, as long as it runs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SUMMARY = Path(".run/stack.json")


def running_stack() -> Mapping[str, Any]:
    """What its stack.json says; nothing where none runs."""
    try:
        summary = json.loads(SUMMARY.read_text())
    except (OSError, ValueError):
        return {}
    return summary if isinstance(summary, dict) else {}
