"""Findings that somebody is mending; each goes when its fix is there."""

import re

from tests.fuzz.findings import Finding

_SHORT_DEADLINE = r"code=UNAVAILABLE exception=TimeoutError"
# What was seen, and who will mend it.
_KNOWN = {
    _SHORT_DEADLINE: "issue 11, point 2: a caller's short deadline",
    r"UNAVAILABLE: the store does not answer": "issue 11, point 2",
}


def known(finding: Finding) -> str:
    """Who will mend it; "" for a finding that nobody knows."""
    return next((who for what, who in _KNOWN.items() if re.search(what, finding.what)), "")
