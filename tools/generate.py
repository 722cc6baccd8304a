"""Everything that is generated from protos/, in one run: `make generate`.

Writes the Python stubs into clients/python/, the descriptor set that Envoy transcodes with, the
fields that its Lua checks, and the tables of routes and settings in docs/. All of it is committed,
so that a clone and an image need no compiler; `make check` fails when it is not what this run would
write.
"""

import argparse
import re
import sys
import sysconfig
import tempfile
from importlib.resources import files
from pathlib import Path

import google.rpc
from grpc_tools import protoc

from tools.fields import field_module
from tools.routes import read_routes, route_table

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
STUBS = Path("clients/python")
# Nothing else of that folder is read or deleted: a build or a virtual environment may lie in it.
PACKAGE = STUBS / "levelgate"
DESCRIPTORS = Path("gateway/levelgate.binpb")
FIELDS = Path("gateway/lua/fields.lua")
ROUTES = Path("docs/routes.md")
SETTINGS = Path("docs/settings.md")

# The transcoder converts an error's details only if it knows their type; no contract imports it.
ERROR_DETAILS = "google/rpc/error_details.proto"


def contracts() -> list[str]:
    return sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))


def run_protoc(*arguments: str) -> None:
    googleapis = Path(next(iter(google.rpc.__path__))).parent.parent
    include = [f"-I{PROTOS}", f"-I{files('grpc_tools') / '_proto'}", f"-I{googleapis}"]
    if protoc.main(["protoc", *include, *arguments]) != 0:
        raise SystemExit("generate: protoc refused the contracts; its reasons are above")


def stubs(root: Path) -> list[Path]:
    found = (root / PACKAGE).rglob("*_pb2*")
    return [path for path in found if path.suffix in {".py", ".pyi"}]


def write_stubs(root: Path) -> None:
    out = root / STUBS
    out.mkdir(parents=True, exist_ok=True)
    scripts = Path(sysconfig.get_path("scripts"))
    run_protoc(
        f"--plugin=protoc-gen-mypy={scripts / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={scripts / 'protoc-gen-mypy_grpc'}",
        f"--python_out={out}",
        f"--grpc_python_out={out}",
        f"--mypy_out=quiet:{out}",
        f"--mypy_grpc_out=quiet:{out}",
        *contracts(),
    )
    # No file of this package defines a service: its stub modules would be empty.
    for stub in stubs(root):
        if stub.name.endswith("_pb2_grpc.py") and "def add_" not in stub.read_text():
            stub.unlink()
            stub.with_suffix(".pyi").unlink()
    for path in stubs(root):
        # protoc indents what it copies from comments; an end of line must not carry blanks.
        path.write_text(re.sub(r"[ \t]+$", "", path.read_text(), flags=re.MULTILINE))


def write_descriptors(path: Path, *, source_info: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    extra = ["--include_source_info"] if source_info else []
    run_protoc(
        f"--descriptor_set_out={path}", "--include_imports", *extra, *contracts(), ERROR_DETAILS
    )


def generate(root: Path) -> None:
    write_stubs(root)
    write_descriptors(root / DESCRIPTORS, source_info=False)
    descriptors = (root / DESCRIPTORS).read_bytes()
    (root / FIELDS).parent.mkdir(parents=True, exist_ok=True)
    (root / FIELDS).write_text(field_module(descriptors))
    (root / ROUTES).parent.mkdir(parents=True, exist_ok=True)
    (root / ROUTES).write_text(route_table(read_routes(descriptors)))
    # Read late: the settings' modules import the stubs that this run has just written.
    from tools.settings_table import settings_page  # noqa: PLC0415

    (root / SETTINGS).write_text(settings_page())


def generated(root: Path) -> set[Path]:
    files = {DESCRIPTORS, FIELDS, ROUTES, SETTINGS}
    return {path.relative_to(root) for path in stubs(root)} | files


def drift() -> list[Path]:
    """The generated files that are missing, left over, or not what protos/ says."""
    with tempfile.TemporaryDirectory() as directory:
        fresh = Path(directory)
        generate(fresh)
        names = generated(fresh) | generated(ROOT)
        return sorted(
            name
            for name in names
            if not (fresh / name).exists()
            or not (ROOT / name).exists()
            or (fresh / name).read_bytes() != (ROOT / name).read_bytes()
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Generate from protos/.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail on drift")
    parser.add_argument("--image", type=Path, help="write an image with comments, for buf")
    arguments = parser.parse_args()
    if arguments.image:
        write_descriptors(arguments.image, source_info=True)
    elif arguments.check:
        stale = drift()
        if stale:
            names = ", ".join(map(str, stale))
            sys.exit(f"generate: not what protos/ says: {names}. Run `make generate`.")
    else:
        for name in generated(ROOT):
            (ROOT / name).unlink(missing_ok=True)
        generate(ROOT)


if __name__ == "__main__":
    main()
