"""What is written for the public images of the compose stack."""

import os
from pathlib import Path

import pytest

from operations.deployment import provision


def test_a_password_file_that_cannot_be_read_is_named_with_who_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROVISION_DIRECTORY", str(tmp_path))
    # Tests may run as root, who can read every file.
    monkeypatch.setenv("PROVISION_PASSWORD_FILE", str(tmp_path))
    wanted = f"the file of REDIS_PASSWORD_FILE must be readable by uid {os.getuid()}: Is a dir"
    with pytest.raises(SystemExit, match=wanted):
        provision.main()
    assert list(tmp_path.iterdir()) == []
