"""`make generate`: generates everything that comes from protos/ and the settings.

It writes the Python stubs in clients/python/, the descriptor set for Envoy's transcoder, the fields
that Envoy's Lua checks, and the tables of routes and settings in docs/. All of it is committed, so
that neither a clone nor an image needs a compiler. `make check` fails when it is out of date.
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
# Nothing else in that directory is read or deleted: it may contain a build or an environment.
PACKAGE = STUBS / "levelgate"
DESCRIPTORS = Path("gateway/levelgate.binpb")
FIELDS = Path("gateway/lua/fields.lua")
ROUTES = Path("docs/routes.md")
SETTINGS = Path("docs/settings.md")

# The transcoder converts the details of errors only if it knows their types, which no contract
# imports.
ERROR_DETAILS = "google/rpc/error_details.proto"


def contracts() -> list[str]:
    return sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))


def run_protoc(*arguments: str) -> None:
    googleapis = Path(next(iter(google.rpc.__path__))).parent.parent
    include = [f"-I{PROTOS}", f"-I{files('grpc_tools') / '_proto'}", f"-I{googleapis}"]
    if protoc.main(["protoc", *include, *arguments]) != 0:
        raise SystemExit("generate: protoc refused the contracts; see its messages above")


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
    # A file without a service has empty stub modules.
    for stub in stubs(root):
        if stub.name.endswith("_pb2_grpc.py") and "def add_" not in stub.read_text():
            stub.unlink()
            stub.with_suffix(".pyi").unlink()
    for path in stubs(root):
        # protoc indents the comments that it copies, and leaves blanks at the end of lines.
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
    # Imported late, because the modules of the settings import the stubs that were just written.
    from tools.settings_table import settings_page  # noqa: PLC0415

    (root / SETTINGS).write_text(settings_page())


def generated(root: Path) -> set[Path]:
    files = {DESCRIPTORS, FIELDS, ROUTES, SETTINGS}
    return {path.relative_to(root) for path in stubs(root)} | files


def drift() -> list[Path]:
    """The generated files that are missing, obsolete or out of date."""
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
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing, and fail if a generated file is out of date",
    )
    parser.add_argument("--image", type=Path, help="write an image with comments, for buf")
    arguments = parser.parse_args()
    if arguments.image:
        write_descriptors(arguments.image, source_info=True)
    elif arguments.check:
        stale = drift()
        if stale:
            names = ", ".join(map(str, stale))
            sys.exit(f"generate: out of date: {names}. Run `make generate`.")
    else:
        for name in generated(ROOT):
            (ROOT / name).unlink(missing_ok=True)
        generate(ROOT)


if __name__ == "__main__":
    main()
