"""Warnings about environment variables that look like a setting but are not one."""

import os
import re
import sys
from collections.abc import Mapping
from difflib import get_close_matches

from pydantic_settings import BaseSettings

from services.runtime.settings import variable

# What Kubernetes and Docker set for a service that is called like the prefix; REDIS_PORT also
# belongs to `make run`.
_BY_THE_PLATFORM = re.compile(r"PORT|PORT_\d+_(TCP|UDP).*|SERVICE_(HOST|PORT).*")


def warn_of_misspelt(prefix: str, settings: type[BaseSettings]) -> None:
    """Prints a line for each variable with this prefix that is not a setting."""
    for line in misspelt(prefix, settings, os.environ).values():
        sys.stderr.write(f"{line}\n")


def misspelt(
    prefix: str, settings: type[BaseSettings], environment: Mapping[str, str]
) -> dict[str, str]:
    """Returns the warnings by variable."""
    known = {variable(settings, field) for field in settings.model_fields}
    warnings = {}
    for name in sorted(environment.keys() - known):
        if not name.startswith(prefix) or _BY_THE_PLATFORM.fullmatch(name.removeprefix(prefix)):
            continue
        near = get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        warnings[name] = f"warning: the variable {name} is not a setting and is ignored{hint}"
    return warnings
