"""Copies the pinned browser libraries from npm into the repository: `make vendor`.

The pages of the gateway load nothing from another host, and a clone, an image and `make run` need
no Node.js. So the files are committed; this command is only needed to update one: change its
version in gateway/web/vendor.json, run it, and review the new checksums.
"""

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ROOT / "gateway/web/vendor.json"


def read_packages() -> dict[str, Any]:
    """By name: the version, and for each file in the package where it goes and its SHA-256."""
    packages: dict[str, Any] = json.loads(PACKAGES.read_text())
    return packages


def changed_files() -> list[str]:
    """The committed files that differ from their checksum, or are missing."""
    return [
        file["to"]
        for package in read_packages().values()
        for file in package["files"].values()
        if not (ROOT / file["to"]).exists()
        or _digest((ROOT / file["to"]).read_bytes()) != file["sha256"]
    ]


def update() -> None:
    packages = read_packages()
    for name, package in packages.items():
        with tempfile.TemporaryDirectory() as folder:
            wanted = f"{name}@{package['version']}"
            subprocess.run(["npm", "pack", "--silent", wanted], cwd=folder, check=True)  # noqa: S603, S607
            (archive,) = Path(folder).iterdir()
            with tarfile.open(archive) as tar:
                for source, file in package["files"].items():
                    member = tar.extractfile(f"package/{source}")
                    if member is None:
                        sys.exit(f"vendor: {name} has no file {source}")
                    content = member.read()
                    target = ROOT / file["to"]
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content)
                    file["sha256"] = _digest(content)
    PACKAGES.write_text(json.dumps(packages, indent=2) + "\n")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    update()
