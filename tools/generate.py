"""Writes all generated files in one run: `make generate`.

From protos/: the Python stubs in clients/python/, the descriptor set that Envoy transcodes with,
the fields that its Lua checks, and the table of routes in docs/. From the classes of the settings:
their table in docs/. From the error catalogue: the table that the gateway's Lua reads, a page in
docs/, a table in README.md and the comments of reason.proto. From all of them and the contract
cases: the OpenAPI document, in English and Chinese. All of it is committed, so that a
clone and an image need no compiler; `make check` fails if a file differs from what this run writes.
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

from services.runtime.error_lua import error_table
from tools.errors_page import errors_page, with_comments, with_table
from tools.fields import field_module
from tools.openapi.chinese import TranslationError, in_chinese, read_table
from tools.openapi.document import as_text, openapi
from tools.routes import read_routes, route_table

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
STUBS = Path("clients/python")
# Nothing else of that folder is read or deleted: a build or a virtual environment may lie in it.
PACKAGE = STUBS / "levelgate"
DESCRIPTORS = Path("gateway/levelgate.binpb")
FIELDS = Path("gateway/lua/fields.lua")
ROUTES = Path("docs/routes.md")
OPENAPI = Path("gateway/web/openapi.json")
OPENAPI_IN_CHINESE = Path("gateway/web/openapi.zh.json")
SETTINGS = Path("docs/settings.md")
ERROR_TABLE = Path("gateway/lua/error_table.lua")
ERRORS = Path("docs/errors.md")
# Written by hand, except for what comes from the error catalogue.
REASONS = Path("protos/levelgate/access/v1/reason.proto")
README = Path("README.md")

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


def image_with_comments() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        image = Path(directory) / "image.binpb"
        write_descriptors(image, source_info=True)
        return image.read_bytes()


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def generate(root: Path) -> None:
    write_all_but_settings(root)
    write_settings(root)


def write_all_but_settings(root: Path) -> None:
    # First, because protoc copies the comments of reason.proto into the stubs.
    write(root / REASONS, with_comments((ROOT / REASONS).read_text()))
    write(root / README, with_table((ROOT / README).read_text()))
    write(root / ERRORS, errors_page())
    write(root / ERROR_TABLE, error_table())
    write_stubs(root)
    write_descriptors(root / DESCRIPTORS, source_info=False)
    descriptors = (root / DESCRIPTORS).read_bytes()
    write(root / FIELDS, field_module(descriptors))
    write(root / ROUTES, route_table(read_routes(descriptors)))
    write_openapi(root)


def write_openapi(root: Path) -> None:
    document = openapi(image_with_comments())
    write(root / OPENAPI, as_text(document))
    try:
        write(root / OPENAPI_IN_CHINESE, as_text(in_chinese(document, read_table())))
    except TranslationError as error:
        raise SystemExit(f"generate: tools/openapi/chinese.yaml:\n{error}") from error


def write_settings(root: Path) -> None:
    # Imported late: the modules of the settings import the stubs that this run has just written.
    from tools.settings_table import settings_page  # noqa: PLC0415

    write(root / SETTINGS, settings_page())


def generated(root: Path) -> set[Path]:
    files = {DESCRIPTORS, FIELDS, ROUTES, SETTINGS, ERROR_TABLE, ERRORS}
    files |= {OPENAPI, OPENAPI_IN_CHINESE}
    return {path.relative_to(root) for path in stubs(root)} | files


def drift() -> list[Path]:
    """The generated files that are missing, left over or out of date."""
    with tempfile.TemporaryDirectory() as directory:
        fresh = Path(directory)
        generate(fresh)
        names = generated(fresh) | generated(ROOT) | {REASONS, README}
        return sorted(
            name
            for name in names
            if not (fresh / name).exists()
            or not (ROOT / name).exists()
            or (fresh / name).read_bytes() != (ROOT / name).read_bytes()
        )


def replace_all() -> None:
    """Replaces the files only when all of them are written: a typo must not leave some deleted."""
    with tempfile.TemporaryDirectory() as directory:
        fresh = Path(directory)
        write_all_but_settings(fresh)
        names = (generated(fresh) | {REASONS, README}) - {SETTINGS}
        for name in generated(ROOT) - names - {SETTINGS}:
            (ROOT / name).unlink(missing_ok=True)
        for name in names:
            write(ROOT / name, (fresh / name).read_bytes())
    write_settings(ROOT)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the generated files.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail on drift")
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
        replace_all()


if __name__ == "__main__":
    main()
