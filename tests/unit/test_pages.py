"""The Markdown pages: the width of their lines, and the links and files that they name."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# docs/api/ contains the documents of others, which stay as they are.
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/*.md", "docs/adr/*.md", "bench/*.md", "tests/*/*.md")
    for page in ROOT.glob(pattern)
)
WIDTH = 100
LINK = re.compile(r"\]\(([^)]+)\)")
FILE = re.compile(r"`((?:bench|clients|gateway|operations|protos|services|tests|tools)/[\w./-]+)`")


def prose(text: str) -> Iterator[tuple[int, str]]:
    """The numbered lines outside code blocks and tables."""
    is_code = False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("```"):
            is_code = not is_code
        elif not is_code and not line.startswith(("    ", "|")):
            yield number, line


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_are_no_longer_than_100_characters(page: Path) -> None:
    long = {
        number: line
        for number, line in prose(page.read_text())
        if len(LINK.sub("]", line)) > WIDTH and "<!--" not in line
    }
    assert long == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_pages_and_sections_that_exist(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        if link.startswith("https://"):
            continue
        path, _, section = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not section or section in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_exist(page: Path) -> None:
    named = FILE.findall(page.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []
