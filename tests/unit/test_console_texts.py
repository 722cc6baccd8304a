"""The texts of the console: each that is used exists in both languages, and each is used."""

import re
from pathlib import Path

from levelgate.access.v1.reason_pb2 import Reason
from levelgate.member.v1.member_history_pb2 import ChangeKind

ROOT = Path(__file__).resolve().parents[2] / "gateway/web/console"
STRING = r'"((?:[^"\\]|\\.)*)"'
NAME = re.compile(rf"^  (?:{STRING}|(\w+)): \[", re.MULTILINE)
ENTRY = re.compile(rf"^  (?:{STRING}|(\w+)): \[\s*{STRING},\s*{STRING},?\s*\]", re.MULTILINE)
# Reasons that the page itself gives.
OF_THE_PAGE = {"UNREACHABLE", "SESSION_ENDED", "other", "request"}


def _texts() -> dict[str, tuple[str, str]]:
    source = (ROOT / "texts.js").read_text()
    found = {quoted or bare: (one, other) for quoted, bare, one, other in ENTRY.findall(source)}
    assert len(found) == len(NAME.findall(source)), "an entry is not [English, Chinese]"
    return found


def _code() -> str:
    files = [*ROOT.glob("*.js"), *(ROOT / "views").glob("*.js")]
    return "\n".join(path.read_text() for path in files if path.name != "texts.js")


TEXTS = _texts()
CODE = _code()
USED = set(re.findall(rf"\bt\({STRING}", CODE))
# The beginnings of names that are put together: t(`view.${name}`).
BEGINNINGS = set(re.findall(r"`([a-z]+(?:\.[a-z]+)*\.)\$\{", CODE))


def _names(expression: str) -> set[str]:
    """The strings in a list of the code."""
    found = re.search(expression, CODE, re.DOTALL)
    assert found is not None
    return set(re.findall(STRING, found[1]))


def test_every_text_that_is_used_exists() -> None:
    assert USED - TEXTS.keys() == set()


def test_every_text_is_used() -> None:
    unused = [
        name
        for name in TEXTS
        if f'"{name}"' not in CODE and not any(name.startswith(each) for each in BEGINNINGS)
    ]
    assert unused == []


def test_names_that_are_put_together_exist() -> None:
    views = set(re.findall(r'View = \{ name: "(\w+)"', CODE))
    kinds = _names(r"KINDS = \[(.*?)\]")
    changes = set(ChangeKind.keys()) - {"CHANGE_KIND_UNSPECIFIED"}
    expected = {
        *(f"view.{name}" for name in views),
        *(f"condition.{name}" for name in kinds),
        *(f"kind.{name}" for name in changes),
        *(f"device.{name}" for name in ("any", "1", "2")),
    }
    assert len(views) == 7
    assert expected - TEXTS.keys() == set()


def test_both_languages_have_the_same_placeholders() -> None:
    def placeholders(text: str) -> list[str]:
        return sorted(re.findall(r"\{\w+\}", text))

    differing = [
        name for name, (one, other) in TEXTS.items() if placeholders(one) != placeholders(other)
    ]
    assert differing == []


def test_every_explained_reason_is_one_that_a_service_gives() -> None:
    reasons = {name.removeprefix("REASON_") for name, _ in Reason.items()}
    explained = {name.removeprefix("error.") for name in TEXTS if name.startswith("error.")}
    assert explained - reasons - OF_THE_PAGE == set()
