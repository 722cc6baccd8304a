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
from operations.commands.bulk.service import Connection, advice, bulk, connection
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
        sys.exit(advice(error, where.address))
    except FileError as error:
        sys.exit(str(error))
    except BrokenPipeError:
        sys.exit("the output was closed before the export was complete")
    except OSError as error:
        sys.exit(f"{error.filename or options.file}: {error.strerror}")
    except KeyboardInterrupt:
        sys.exit("interrupted; the command can be repeated")


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
        command.add_argument("--format", choices=FORMATS, help="default: by the ending")
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


def _import(options: argparse.Namespace, where: Connection) -> int:
    path = Path("stdin" if options.file == "-" else options.file)
    rejects = path.with_name(path.name + ".rejects.ndjson")
    source = _descriptor(sys.stdin, "input") if options.file == "-" else options.file
    with (
        # A byte order mark is skipped. Bytes that are not UTF-8 are kept: their line is rejected.
        open(source, encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file,
        bulk(where, options.retry_seconds) as service,
    ):
        done = import_rows(service, file, options.format, rejects)
    hint = f", with reasons in {rejects}" if done.rejected else ""
    _say(f"{done.written} written, {done.unchanged} unchanged, {done.rejected} rejected{hint}")
    return REJECTED if done.rejected else 0


def _descriptor(stream: TextIO | None, name: str) -> int:
    # Python has no stream for a descriptor that the caller closed.
    if stream is None:
        sys.exit(f"standard {name} is closed")
    return stream.fileno()


def _export(options: argparse.Namespace, where: Connection) -> int:
    if options.format == "csv" and options.with_history:
        sys.exit("CSV cannot hold histories: use NDJSON with --with-history")
    if options.file == "-":
        target = _descriptor(sys.stdout, "output")
        with open(target, "w", encoding="utf-8", newline="\n", closefd=False) as out:
            _export_to(out, options, where)
        return 0
    path = Path(options.file)
    if path.exists() and not options.force:
        sys.exit(f"{path} exists already: --force replaces it")
    with named_when_complete(path) as file:
        _export_to(file, options, where)
    return 0


def _export_to(file: TextIO, options: argparse.Namespace, where: Connection) -> None:
    with bulk(where, options.retry_seconds) as service:
        count = export_rows(service, file, options.format, with_history=options.with_history)
    _say(f"{count} members")


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
