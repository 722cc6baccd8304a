"""What an input did that it must not do."""

import re
from dataclasses import dataclass
from typing import Any

from tests.fuzz.inputs import Input, to_document

_VARYING = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+")


@dataclass(frozen=True)
class Finding:
    """One invariant that did not hold."""

    invariant: str
    what: str
    """What was seen instead."""
    given: Input | None = None
    """None where only a batch of inputs is known."""
    batch: str = ""

    @property
    def signature(self) -> str:
        """The same for findings that probably have one cause."""
        subject = self.given.subject if self.given else ""
        parts = (self.invariant, subject, self.what[:160])
        return " | ".join(_VARYING.sub("N", part) for part in parts)

    def document(self) -> dict[str, Any]:
        """For a file in corpus/."""
        found = {"invariant": self.invariant, "what": self.what[:500], "batch": self.batch}
        return {**found, "input": to_document(self.given)} if self.given else found
