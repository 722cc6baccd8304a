"""The browser libraries in the repository are the ones that were pinned."""

from tools.vendor import changed_files


def test_the_vendored_files_have_their_checksums() -> None:
    assert changed_files() == []
