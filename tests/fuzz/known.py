"""Findings that somebody is mending; each goes when its fix is there."""

import re

from tests.fuzz.findings import Finding

# What was seen, and who will mend it.
_KNOWN: dict[str, str] = {}


def known(finding: Finding) -> str:
    """Who will mend it; "" for a finding that nobody knows."""
    return next((who for what, who in _KNOWN.items() if re.search(what, finding.what)), "")
