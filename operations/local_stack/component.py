"""What the supervisor needs to know of a process that it runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

# None when healthy, else the reason why not.
Probe = Callable[[], str | None]


@dataclass(frozen=True)
class Part:
    """One process of the stack."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    probe: Probe
