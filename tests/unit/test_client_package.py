"""The client package: what its wheel contains, and which files pip and the generator keep."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tools.generate import PACKAGE, ROOT, STUBS, generated, write_stubs


def files(directory: Path) -> dict[str, bytes]:
    found = (path for path in directory.rglob("*") if path.is_file())
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in found
        if "__pycache__" not in path.parts
    }


def test_a_wheel_contains_the_whole_package_and_its_build_changes_no_file(
    tmp_path: Path,
) -> None:
    source = tmp_path / "python"
    source.mkdir()
    shutil.copy(ROOT / STUBS / "pyproject.toml", source)
    shutil.copytree(ROOT / PACKAGE, source / "levelgate")
    before = files(source)
    # Without --no-build-isolation pip would ask the package index for the build backend.
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", *options, source, "-w", tmp_path], check=True
    )
    assert files(source) == before
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        packed = {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == {f"levelgate/{name}": body for name, body in files(ROOT / PACKAGE).items()}
    kinds = {"levelgate/py.typed", "levelgate/upbot/v1/eligibility_pb2_grpc.pyi"}
    assert kinds <= packed.keys()


def test_the_generator_changes_only_its_stubs(tmp_path: Path) -> None:
    mine = tmp_path / PACKAGE / "old" / "v1" / "old_pb2_grpc.pyi"
    others = [
        tmp_path / STUBS / "build" / "lib" / "levelgate" / "old" / "v1" / "old_pb2.py",
        tmp_path / STUBS / ".venv" / "other_pb2_grpc.py",
        tmp_path / PACKAGE / "old" / "v1" / "__pycache__" / "old_pb2.cpython-311.pyc",
        tmp_path / PACKAGE / "client.py",
    ]
    for path in (mine, *others):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xff trailing blanks  \n" if path != mine else b"")
    found = generated(tmp_path)
    assert mine.relative_to(tmp_path) in found
    assert not {path.relative_to(tmp_path) for path in others} & found
    write_stubs(tmp_path)
    assert {path.read_bytes() for path in others} == {b"\xff trailing blanks  \n"}
    assert (tmp_path / PACKAGE / "upbot" / "v1" / "eligibility_pb2_grpc.pyi").exists()
