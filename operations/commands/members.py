"""Import and export members: `python -m operations.commands.members import|export FILE`.

The format is NDJSON or CSV, by the file's ending. An import writes wrong lines to
FILE.rejects.ndjson, with their numbers and reasons, and imports the others. It can be repeated:
a member who already equals its line stays unchanged. Exit code 0: all lines were accepted;
2: some were rejected, or the arguments are wrong; 1: the command could not finish.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TextIO

import grpc

from levelgate import __version__
from operations.commands.bulk.rows import FORMATS, FileError
from operations.commands.bulk.service import Connection, advice, connection, member_bulk
from operations.commands.bulk.transfer import export_rows, import_rows
from operations.commands.files import named_when_complete, require_mounted

REJECTED = 2
ENDINGS = {".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    where = connection()
    options.format = options.format or ENDINGS.get(Path(options.file).suffix.lower())
    if options.format is None:
        sys.exit("the file does not end in .ndjson, .jsonl or .csv: give --format")
    if options.file != "-":
        require_mounted(Path(options.file))
    try:
        run = _import if options.command == "import" else _export
        return run(options, where)
    except grpc.RpcError as error:
        sys.exit(advice(error, where))
    except FileError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"{error.filename or options.file}: {error.strerror}")
    except KeyboardInterrupt:
        sys.exit("interrupted; the command can be repeated")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m operations.commands.members",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    importing = commands.add_parser("import", help="write the members of a file")
    exporting = commands.add_parser("export", help="write a new file")
    for command in (importing, exporting):
        command.add_argument("file", help='"-" for standard input or output')
        command.add_argument("--format", choices=FORMATS, help="default: by the ending")
    exporting.add_argument("--with-history", action="store_true", help="only with NDJSON")
    return parser


def _import(options: argparse.Namespace, where: Connection) -> int:
    path = Path("stdin" if options.file == "-" else options.file)
    rejects = path.with_name(path.name + ".rejects.ndjson")
    source = sys.stdin.fileno() if options.file == "-" else options.file
    with (
        # A byte order mark is skipped. Bytes that are not UTF-8 are kept: their line is rejected.
        open(source, encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file,
        member_bulk(where) as service,
    ):
        done = import_rows(service, file, options.format, rejects)
    hint = f", with reasons in {rejects}" if done.rejected else ""
    counts = f"{done.written} written, {done.unchanged} unchanged, {done.rejected} rejected"
    print(f"{counts}{hint}", file=sys.stderr)
    return REJECTED if done.rejected else 0


def _export(options: argparse.Namespace, where: Connection) -> int:
    if options.format == "csv" and options.with_history:
        sys.exit("CSV cannot hold histories: use NDJSON with --with-history")
    path = Path(options.file)
    if options.file == "-":
        out: AbstractContextManager[TextIO] = open(  # noqa: SIM115 - closed below
            sys.stdout.fileno(), "w", encoding="utf-8", newline="\n", closefd=False
        )
    elif path.exists():
        sys.exit(f"{path} exists already: delete it, or give another name")
    else:
        out = named_when_complete(path)
    with out as file, member_bulk(where) as service:
        count = export_rows(service, file, options.format, with_history=options.with_history)
    print(f"{count} members", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
