"""Which files the gateway serves as pages, and what it says about each."""

import gzip
import os
import re
from pathlib import Path

import pytest

from gateway.web_files import WebFile, forms, lua_table, web_files

TEXT = b"levelgate " * 100


def test_files_of_known_types_are_served_and_links_and_others_are_not(tmp_path: Path) -> None:
    root = tmp_path / "web"
    (root / "docs").mkdir(parents=True)
    for name in ("docs/index.html", "docs/app.js", "openapi.json", "docs/README.md", "vendor.json"):
        (root / name).write_bytes(TEXT)
    (tmp_path / "secret.html").write_bytes(TEXT)
    (root / "docs" / "link.html").symlink_to(tmp_path / "secret.html")
    assert [each.name for each in web_files(root)] == [
        "docs/app.js",
        "docs/index.html",
        "openapi.json",
    ]


def test_a_file_has_a_compressed_form_if_it_becomes_smaller() -> None:
    noise = os.urandom(1_000)
    found = forms([WebFile("docs/a.js", TEXT), WebFile("docs/b.png", noise)])
    assert set(found) == {"docs/a.js", "docs/a.js.gz", "docs/b.png"}
    assert gzip.decompress(found["docs/a.js.gz"]) == found["docs/a.js"] == TEXT


def test_the_tag_follows_the_content_and_the_bytes_are_always_the_same() -> None:
    first, same, other = (WebFile("a.js", content) for content in (TEXT, TEXT, TEXT + b"x"))
    assert first.etag == same.etag != other.etag
    assert first.compressed == same.compressed


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("docs/index.html", ["/docs/", "/docs"]),
        ("docs/zh/index.html", ["/docs/zh/", "/docs/zh"]),
        ("docs/app.js", ["/docs/app.js"]),
        ("openapi.json", ["/openapi.json"]),
    ],
)
def test_the_table_has_the_paths_of_a_file(name: str, paths: list[str]) -> None:
    table = lua_table([WebFile(name, TEXT)])
    assert [path for path in paths if f'["{path}"] = ' in table] == paths
    assert table.count("] = {") == len(paths)


def test_only_the_files_of_the_route_for_large_ones_are_larger_than_a_buffer() -> None:
    # As in gateway/envoy.yaml. A reader who does not read holds a place for a larger file.
    buffer, large = 65_536, re.compile(r"docs/vendor/.*|openapi(\.[a-z]+)?\.json")
    served = [each for each in web_files() if not large.fullmatch(each.name)]
    assert [each.name for each in served if len(each.content) > buffer] == []
    assert served
