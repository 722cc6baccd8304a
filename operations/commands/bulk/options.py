"""What the command takes."""

import argparse
from pathlib import Path
from typing import NoReturn

from operations.commands.bulk.service import DEFAULT_ADDRESS, DEFAULT_TOKEN_ADDRESS

FORMATS = {".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv"}


class _Parser(argparse.ArgumentParser):
    """argparse ends with 2, which here says that lines were rejected."""

    def error(self, message: str) -> NoReturn:
        self.exit(1, f"{message}; {self.prog} --help tells more\n")


def parser(description: str | None) -> argparse.ArgumentParser:
    commands_parser = _Parser(
        prog="python -m operations.commands.members",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = commands_parser.add_subparsers(dest="command", required=True)
    _add_common(commands.add_parser("import", help="write the members of a file"))
    export = commands.add_parser("export", help="write all members to a file")
    _add_common(export)
    export.add_argument("--with-history", action="store_true", help="NDJSON only")
    export.add_argument("--force", action="store_true", help="replace the file")
    return commands_parser


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", help='"-" for standard input or output')
    command.add_argument("--format", choices=("ndjson", "csv"), help="if the ending does not say")
    command.add_argument(
        "--address",
        help="member_level's own port; else LEVELGATE_ADDRESS, that of the `make run` here, or"
        f" {DEFAULT_ADDRESS}",
    )
    command.add_argument(
        "--token-address",
        help="who gives tokens: the gateway, or upbot_checks; else LEVELGATE_TOKEN_ADDRESS, or"
        f" {DEFAULT_TOKEN_ADDRESS}",
    )
    command.add_argument(
        "--retry-seconds",
        type=float,
        default=60,
        help="how long to wait for a service that is away; 60 if not given",
    )
    command.add_argument("--restart", action="store_true", help="start over instead of going on")


def format_of(options: argparse.Namespace) -> str | None:
    """None: neither the option nor the file's ending says it."""
    return options.format or FORMATS.get(Path(options.file).suffix.lower())
