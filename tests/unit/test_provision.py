"""The files for the public images of the compose stack."""

import os
from pathlib import Path

import pytest

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
