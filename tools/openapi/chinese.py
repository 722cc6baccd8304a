"""Translates the texts of the OpenAPI document sentence by sentence, from chinese.yaml."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tools.openapi.texts import sentences

TABLE = Path(__file__).parent / "chinese.yaml"

_TEXTS = {"description", "summary"}
# What callers send and get is not translated. Instead of its summary, an example has its number.
_AS_IT_IS = {"example", "value", "enum", "const"}
_REASON = re.compile(r"^- (`[A-Z_]+`)(?:: )?")


class TranslationError(Exception):
    """A sentence has no translation, or a translation has no sentence."""


def read_table(path: Path = TABLE) -> dict[str, str]:
    table: dict[str, str] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return table


def in_chinese(document: dict[str, Any], table: Mapping[str, str]) -> dict[str, Any]:
    """The document with all its texts translated."""
    translation = _Translation(table)
    translated: dict[str, Any] = translation.of(document)
    if problems := translation.problems():
        raise TranslationError("\n".join(problems))
    return translated


class _Translation:
    """Remembers what it misses and what it uses."""

    def __init__(self, table: Mapping[str, str]) -> None:
        self._table = table
        self._used: set[str] = set()
        self._missing: dict[str, None] = {}

    def problems(self) -> list[str]:
        unused = [sentence for sentence in self._table if sentence not in self._used]
        return [f"{TABLE.name} lacks: {sentence}" for sentence in self._missing] + [
            f"{TABLE.name} has, but nothing uses: {sentence}" for sentence in unused
        ]

    def of(self, value: Any, name: str = "") -> Any:
        if name == "examples" and isinstance(value, dict):
            return {key: {**each, "summary": f"示例 {key}"} for key, each in value.items()}
        if isinstance(value, dict):
            return {key: self._member(key, each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.of(each) for each in value]
        return value

    def _member(self, key: str, value: Any) -> Any:
        if key in _TEXTS and isinstance(value, str):
            return "\n".join(map(self._line, value.split("\n")))
        return value if key in _AS_IT_IS else self.of(value, key)

    def _line(self, line: str) -> str:
        if not line:
            return line
        head = ""
        if found := _REASON.match(line):
            line = line[found.end() :]
            head = f"- {found[1]}{'：' if line else ''}"
        elif line.startswith("- "):
            head, line = "- ", line[2:]
        return head + "".join(self._sentence(each) for each in sentences(line) if each)

    def _sentence(self, sentence: str) -> str:
        if sentence not in self._table:
            self._missing[sentence] = None
            return sentence
        self._used.add(sentence)
        return self._table[sentence]
