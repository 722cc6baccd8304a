"""Import and export members: `python -m operations.commands.members import|export FILE`.

The format is NDJSON or CSV, by the file's ending. An import writes wrong lines to
FILE.rejects.ndjson, with their numbers and reasons, and imports the others. It can be repeated:
a member who already equals its line stays unchanged. Exit code 0: all lines were accepted;
2: some were rejected; 1: the command could not finish.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, TextIO

import grpc

from levelgate import __version__
from operations.commands.bulk.rows import FORMATS, FileError
from operations.commands.bulk.service import (
    DEFAULT_ADDRESS,
    DEFAULT_TOKEN_ADDRESS,
    address_of,
    advice,
    bulk,
)
from operations.commands.bulk.transfer import export_rows, import_rows
from operations.commands.files import require_mounted

REJECTED = 2
ENDINGS = {".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    options.address = address_of(options.address)
    options.format = options.format or ENDINGS.get(Path(options.file).suffix.lower())
    if options.format is None:
        _fail("the file does not end in .ndjson, .jsonl or .csv: give --format")
    if options.file != "-":
        require_mounted(Path(options.file))
    try:
        return _import(options) if options.command == "import" else _export(options)
    except grpc.RpcError as error:
        _fail(advice(error, options.address))
    except FileError as error:
        _fail(str(error))
    except BrokenPipeError:
        _fail("the output was closed before the export was complete")
    except OSError as error:
        _fail(f"{error.filename or options.file}: {error.strerror}")
    except KeyboardInterrupt:
        _fail("interrupted; the command can be repeated")


class _Parser(argparse.ArgumentParser):
    """argparse exits with 2, which here means that lines were rejected."""

    def error(self, message: str) -> NoReturn:
        self.exit(1, f"{message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m operations.commands.members",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in {"import": "write the members of a file", "export": "write a file"}.items():
        command = commands.add_parser(name, help=what)
        command.add_argument("file", help='"-" for standard input or output')
        command.add_argument("--format", choices=sorted(FORMATS), help="default: by the ending")
        command.add_argument(
            "--address",
            help="member_level's own port; default: LEVELGATE_ADDRESS, that of the running"
            f" `make run`, or {DEFAULT_ADDRESS}",
        )
        command.add_argument(
            "--token-address",
            help="where to get a token: the gateway or upbot_checks; default:"
            f" LEVELGATE_TOKEN_ADDRESS or {DEFAULT_TOKEN_ADDRESS}",
        )
        command.add_argument(
            "--retry-seconds",
            type=float,
            default=60,
            help="how long to retry while the service is not available; default: 60",
        )
        if name == "export":
            command.add_argument("--with-history", action="store_true", help="only with NDJSON")
            command.add_argument("--force", action="store_true", help="replace an existing file")
    return parser


def _import(options: argparse.Namespace) -> int:
    path = Path("stdin" if options.file == "-" else options.file)
    rejects = path.with_name(path.name + ".rejects.ndjson")
    with (
        _source(options.file) as file,
        bulk(options.address, options.token_address, options.retry_seconds) as service,
    ):
        done = import_rows(service, file, FORMATS[options.format], rejects)
    where = f", with reasons in {rejects}" if done.rejected else ""
    _say(f"{done.written} written, {done.unchanged} unchanged, {done.rejected} rejected{where}")
    return REJECTED if done.rejected else 0


def _source(file: str) -> TextIO:
    # A byte order mark is skipped. Bytes that are not UTF-8 are kept, and their line is rejected.
    source = sys.stdin.fileno() if file == "-" else file
    return open(source, encoding="utf-8-sig", errors="surrogateescape", newline="\n")


def _export(options: argparse.Namespace) -> int:
    if options.format == "csv" and options.with_history:
        _fail("CSV cannot hold histories: use NDJSON with --with-history")
    if options.file == "-":
        with open(sys.stdout.fileno(), "w", encoding="utf-8", newline="\n", closefd=False) as out:
            count = _export_to(out, options)
        _say(f"{count} members")
        return 0
    path = Path(options.file)
    if path.exists() and not options.force:
        _fail(f"{path} exists already: --force replaces it")
    # The file gets its name when it is complete.
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            count = _export_to(file, options)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    _say(f"{count} members in {path}")
    return 0


def _export_to(file: TextIO, options: argparse.Namespace) -> int:
    with bulk(options.address, options.token_address, options.retry_seconds) as service:
        return export_rows(
            service, file, FORMATS[options.format], with_history=options.with_history
        )


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


def _fail(line: str) -> NoReturn:
    sys.stderr.write(line + "\n")
    raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(main())
