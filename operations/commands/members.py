"""Members in and out of files: `python -m operations.commands.members import|export FILE`.

NDJSON or CSV, by the file's ending. An import that was broken off goes on where it stopped; lines
that are wrong go to FILE.rejects.ndjson with their numbers and reasons, and the others are written
all the same. Exit code 0: everything; 2: some lines were rejected; 1: it could not go on.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NoReturn, cast

import grpc

from operations.commands.bulk.csv_rows import WrongHeaderError, csv_header, csv_reader, write_csv
from operations.commands.bulk.explaining import explained
from operations.commands.bulk.exporting import Export
from operations.commands.bulk.importing import Import
from operations.commands.bulk.json_rows import read_json, write_json
from operations.commands.bulk.lines import lines, records
from operations.commands.bulk.meter import meter
from operations.commands.bulk.options import format_of, parser
from operations.commands.bulk.progress import OtherFileError, Progress
from operations.commands.bulk.rows import Reader
from operations.commands.bulk.service import address_of, bulk
from operations.commands.bulk.storing import beside, fingerprint, is_regular, read_progress
from operations.commands.files import require_mounted

REJECTED = 2
_MARK = b"\xef\xbb\xbf"
_LONGEST_HEADER = 65_536


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    options = parser(__doc__).parse_args(arguments)
    options.address = address_of(options.address)
    options.format = format_of(options)
    if options.format is None:
        _fail("the file's ending is none of .ndjson, .jsonl and .csv; --format says what it is")
    try:
        return _import(options) if options.command == "import" else _export(options)
    except grpc.RpcError as error:
        _fail(explained(error, options.address))
    except BrokenPipeError:
        # What is still in the buffer would break once more when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _fail("nobody reads the output any more")
    except OSError as error:
        _fail(f"{error.filename or options.file}: {error.strerror}")
    except KeyboardInterrupt:
        _fail("broken off; the same command goes on from here, unless it was with -")


def _import(options: argparse.Namespace) -> int:
    if options.file == "-":
        return _import_from(options, cast(io.BufferedReader, sys.stdin.buffer), Path("stdin"), None)
    path = Path(options.file)
    require_mounted(path)
    if not is_regular(path):
        _fail(f"{path} is no regular file; for a pipe let - be the file, with --format")
    with path.open("rb") as file:
        return _import_from(options, file, path, beside(path, ".progress"))


def _import_from(
    options: argparse.Namespace,
    file: io.BufferedReader,
    path: Path,
    progress_path: Path | None,
) -> int:
    read, header_bytes = _reader(options.format, file)
    progress = _progress(options, progress_path, fingerprint(path) if progress_path else "")
    is_csv = options.format == "csv"
    if progress.offset == 0:
        progress = Progress(progress.of, header_bytes, int(is_csv))
    else:
        _say(f"resumes at line {progress.line + 1}")
        file.seek(progress.offset)
    total = path.stat().st_size if progress_path else 0
    before = progress.written + progress.unchanged + progress.rejected
    rejects_path = beside(path, ".rejects.ndjson")
    with (
        bulk(options.address, options.token_address) as service,
        meter(total, unit="B", start=progress.offset, rows=before) as shown,
    ):
        work = Import(
            bulk=service,
            lines=records if is_csv else lines,
            read=read,
            rejects_path=rejects_path,
            progress_path=progress_path,
            retry_seconds=options.retry_seconds,
            meter=shown,
        )
        try:
            done = work.run(file, progress)
        except OtherFileError:
            _fail(f"{rejects_path} is shorter than it was; --restart starts over, and repeats it")
    if progress_path is not None:
        progress_path.unlink(missing_ok=True)
    where = f", to {rejects_path} with their reasons" if done.rejected else ""
    _say(f"{done.written} written, {done.unchanged} unchanged, {done.rejected} rejected{where}")
    return REJECTED if done.rejected else 0


def _reader(format_: str, file: io.BufferedReader) -> tuple[Reader, int]:
    """How to read a line, and the bytes before the first: a byte order mark, a header."""
    mark = len(file.read(len(_MARK))) if file.peek(len(_MARK)).startswith(_MARK) else 0
    if format_ == "ndjson":
        return read_json, mark
    header = file.readline(_LONGEST_HEADER)
    try:
        reader = csv_reader(_decoded(header).rstrip("\r\n"))
    except WrongHeaderError as error:
        _fail(str(error))
    return reader, mark + len(header)


def _decoded(header: bytes) -> str:
    # What UTF-16 without a byte order mark looks like is valid UTF-8 with zeros.
    try:
        text = header.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        _fail("the file must be UTF-8; its first line is not")
    return text


def _export(options: argparse.Namespace) -> int:
    if options.format == "csv" and options.with_history:
        _fail("a CSV file has no place for histories: use NDJSON with --with-history")
    if options.file == "-":
        done = _export_to(options, sys.stdout.buffer, None, Progress(""))
        _say(f"{done.written} members")
        return 0
    path = Path(options.file)
    require_mounted(path)
    if path.exists() and not options.force:
        _fail(f"{path} is there already; --force replaces it")
    part, progress_path = beside(path, ".part"), beside(path, ".progress")
    progress = _progress(options, progress_path, f"{options.format} {options.with_history}")
    if progress.offset and (not part.exists() or part.stat().st_size < progress.offset):
        progress = Progress(progress.of)
    if progress.offset:
        _say(f"resumes after {progress.written} members")
    try:
        with part.open("r+b" if progress.offset else "wb") as file:
            file.truncate(progress.offset)
            file.seek(progress.offset)
            done = _export_to(options, file, progress_path, progress)
            # The name says that it is complete, also after the power failed.
            os.fsync(file.fileno())
    except BaseException:
        if not progress_path.exists():
            # Nothing can be resumed from it, for example after a call that was refused.
            part.unlink(missing_ok=True)
        raise
    part.replace(path)
    progress_path.unlink(missing_ok=True)
    _say(f"{done.written} members in {path}")
    return 0


def _export_to(
    options: argparse.Namespace, file: BinaryIO, progress_path: Path | None, progress: Progress
) -> Progress:
    is_csv = options.format == "csv"
    with (
        bulk(options.address, options.token_address) as service,
        meter(100, unit="%", rows=progress.written) as shown,
    ):
        work = Export(
            bulk=service,
            write=write_csv if is_csv else write_json,
            header=csv_header() if is_csv else "",
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
        return read_progress(path, of)
    except OtherFileError:
        _fail(
            f"{path} is of another run: the file or the options changed since;"
            " --restart starts over"
        )


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


def _fail(line: str) -> NoReturn:
    sys.stderr.write(line + "\n")
    raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(main())
