"""The files for the public images of the compose stack."""

import os
from pathlib import Path

import pytest

from gateway.web_files import forms, web_files
from operations.deployment import provision


def test_an_unreadable_password_file_is_reported_with_the_user_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROVISION_DIRECTORY", str(tmp_path))
    # A directory, because root, who may run the tests, can read every file.
    monkeypatch.setenv("PROVISION_PASSWORD_FILE", str(tmp_path))
    wanted = f"the file of REDIS_PASSWORD_FILE must be readable by uid {os.getuid()}: Is a dir"
    with pytest.raises(SystemExit, match=wanted):
        provision.main()
    assert list(tmp_path.iterdir()) == []


def test_the_gateway_gets_its_pages_in_both_forms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("secrets", "store", "gateway"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("PROVISION_DIRECTORY", str(tmp_path))
    assert provision.main() == 0
    written = {
        path.relative_to(tmp_path / "gateway" / "web").as_posix(): path.read_bytes()
        for path in (tmp_path / "gateway" / "web").rglob("*")
        if path.is_file()
    }
    assert written == forms(web_files())
