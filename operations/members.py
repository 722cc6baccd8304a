"""Members in and out of files: `python -m operations.members import|export FILE`.

NDJSON or CSV, by the file's ending. An import that was broken off goes on where it stopped; lines
that are wrong go to FILE.rejects.ndjson with their numbers and reasons, and the others are written
all the same. Exit code 0: everything; 2: some lines were rejected; 1: it could not go on.
"""

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NoReturn, cast

import grpc

from operations.bulk import rows
from operations.bulk.exporting import Export
from operations.bulk.importing import Import
from operations.bulk.meter import meter
from operations.bulk.progress import OtherFileError, Progress, fingerprint
from operations.bulk.service import DEFAULT_ADDRESS, bulk, explained

REJECTED = 2
_MARK = b"\xef\xbb\xbf"
_LONGEST_HEADER = 65_536
FORMATS = {".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _import(options) if options.command == "import" else _export(options)
    except grpc.RpcError as error:
        _fail(explained(error, options.address or DEFAULT_ADDRESS))
    except OSError as error:
        _fail(f"{error.filename or options.file}: {error.strerror}")
    except KeyboardInterrupt:
        _fail("broken off; the same command goes on from here")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m operations.members",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, told in (
        ("import", "write the members of a file"),
        ("export", "write all members to a file"),
    ):
        command = commands.add_parser(name, help=told)
        command.add_argument("file", help='"-" for standard input or output')
        command.add_argument(
            "--format", choices=("ndjson", "csv"), help="if the ending does not say"
        )
        command.add_argument("--address", help="member_level's own port, as 127.0.0.1:50052")
        command.add_argument(
            "--token-address", help="who gives tokens: the gateway, or upbot_checks"
        )
        command.add_argument(
            "--retry-seconds",
            type=float,
            default=60,
            help="how long to wait for a service that is away",
        )
        command.add_argument(
            "--restart", action="store_true", help="start over instead of going on"
        )
    commands.choices["export"].add_argument(
        "--with-history", action="store_true", help="NDJSON only"
    )
    commands.choices["export"].add_argument("--force", action="store_true", help="replace the file")
    return parser


def _import(options: argparse.Namespace) -> int:
    if options.file == "-":
        return _import_from(options, cast(io.BufferedReader, sys.stdin.buffer), Path("stdin"), None)
    path = Path(options.file)
    _format(options)
    with path.open("rb") as file:
        return _import_from(options, file, path, _beside(path, ".progress"))


def _import_from(
    options: argparse.Namespace,
    file: io.BufferedReader,
    path: Path,
    progress_path: Path | None,
) -> int:
    progress = _progress(options, progress_path, fingerprint(path) if progress_path else "")
    read, header_bytes = _reader(_format(options), file)
    if progress.offset == 0:
        has_header = read is not rows.read_json
        progress = Progress(progress.of, header_bytes, int(has_header))
    else:
        _say(f"going on at line {progress.line + 1}")
        file.seek(progress.offset)
    total = path.stat().st_size if progress_path else 0
    rejects_path = _beside(path, ".rejects.ndjson")
    with (
        bulk(options.address, options.token_address) as service,
        meter(total, unit="B", start=progress.offset) as shown,
    ):
        work = Import(service, read, rejects_path, progress_path, options.retry_seconds, shown)
        done = work.run(file, progress)
    if progress_path is not None:
        progress_path.unlink(missing_ok=True)
    _say(f"{done.written} written, {done.unchanged} were so already, {done.rejected} rejected")
    if done.rejected:
        _say(f"the rejected lines and why: {rejects_path}")
    return REJECTED if done.rejected else 0


def _reader(format_: str, file: io.BufferedReader) -> tuple[rows.Reader, int]:
    """How to read a line, and the bytes before the first: a byte order mark, a header."""
    mark = len(file.read(len(_MARK))) if file.peek(len(_MARK)).startswith(_MARK) else 0
    if format_ == "ndjson":
        return rows.read_json, mark
    header = file.readline(_LONGEST_HEADER)
    try:
        reader = rows.csv_reader(header.decode(errors="replace").rstrip("\r\n"))
    except rows.WrongHeaderError as error:
        _fail(str(error))
    return reader, mark + len(header)


def _export(options: argparse.Namespace) -> int:
    format_ = _format(options)
    if format_ == "csv" and options.with_history:
        _fail("a CSV file has no place for histories: use NDJSON with --with-history")
    if options.file == "-":
        done = _export_to(options, format_, sys.stdout.buffer, None, Progress(""))
        _say(f"{done.written} members")
        return 0
    path = Path(options.file)
    if path.exists() and not options.force:
        _fail(f"{path} is there already; --force replaces it")
    part, progress_path = _beside(path, ".part"), _beside(path, ".progress")
    progress = _progress(options, progress_path, f"{format_} {options.with_history}")
    if progress.offset and not part.exists():
        progress = Progress(progress.of)
    with part.open("r+b" if progress.offset else "wb") as file:
        file.truncate(progress.offset)
        file.seek(progress.offset)
        done = _export_to(options, format_, file, progress_path, progress)
    part.replace(path)
    progress_path.unlink(missing_ok=True)
    _say(f"{done.written} members in {path}")
    return 0


def _export_to(
    options: argparse.Namespace,
    format_: str,
    file: BinaryIO,
    progress_path: Path | None,
    progress: Progress,
) -> Progress:
    is_csv = format_ == "csv"
    with (
        bulk(options.address, options.token_address) as service,
        meter(100, unit="%") as shown,
    ):
        work = Export(
            bulk=service,
            write=rows.write_csv if is_csv else rows.write_json,
            header=rows.csv_header() if is_csv else "",
            with_history=options.with_history,
            progress_path=progress_path,
            retry_seconds=options.retry_seconds,
            meter=shown,
        )
        done = work.run(file, progress)
        file.flush()
        return done


def _progress(options: argparse.Namespace, path: Path | None, of: str) -> Progress:
    if path is None:
        return Progress(of)
    if options.restart:
        path.unlink(missing_ok=True)
    try:
        return Progress.read(path, of)
    except OtherFileError:
        _fail(
            f"{path} is of another run: the file or the options changed since;"
            " --restart starts over"
        )


def _format(options: argparse.Namespace) -> str:
    found = options.format or FORMATS.get(Path(options.file).suffix.lower())
    if found is None:
        _fail("the file's ending is none of .ndjson, .jsonl and .csv; --format says what it is")
    return str(found)


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


def _fail(line: str) -> NoReturn:
    sys.stderr.write(line + "\n")
    raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(main())
