"""Copies a whole store through a file: `python -m operations.commands.archive export|import FILE`.

It makes the moves that the store's own backups cannot make: from a single node to a cluster and
back, between Redis and Valkey, and from the buckets of an earlier release. The store is that of
REDIS_URL, otherwise that of the `make run` in this directory. Stop the services before an export.
An import needs an empty store.
"""

import argparse
import base64
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import redis

from levelgate import __version__
from operations.commands.files import require_mounted
from operations.commands.running import no_store, store_settings
from services.store import keys, layout
from services.store.batches import batched
from services.store.client import connect
from services.store.keys import Buckets, UserKey
from services.store.scripts import Script
from services.store.store import Store, Value
from services.user_state.bulk import BulkUsers
from services.user_state.record import MAX_VERSION

FORMAT = 1
_AT_A_TIME = 500
_LINES_AT_A_TIME = 50_000

_READ = """
local kind, values = redis.call('TYPE', KEYS[1]).ok, nil
if kind == 'string' then values = { redis.call('GET', KEYS[1]) }
elseif kind == 'hash' then values = redis.call('HGETALL', KEYS[1])
elseif kind == 'set' then values = redis.call('SMEMBERS', KEYS[1])
elseif kind == 'zset' then values = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
else return false end
return { kind, redis.call('PTTL', KEYS[1]), values }
"""
_WRITE = """
local kind, milliseconds = ARGV[1], tonumber(ARGV[2])
for i = 3, #ARGV, (kind == 'hash' or kind == 'zset') and 2 or 1 do
  if kind == 'string' then redis.call('SET', KEYS[1], ARGV[i])
  elseif kind == 'hash' then redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  elseif kind == 'set' then redis.call('SADD', KEYS[1], ARGV[i])
  else redis.call('ZADD', KEYS[1], ARGV[i + 1], ARGV[i]) end
end
if milliseconds > 0 then redis.call('PEXPIRE', KEYS[1], milliseconds) end
"""


class ArchiveError(Exception):
    """The archive cannot be read; the text says why."""


def export(store: Store, buckets: Buckets, out: TextIO) -> int:
    """Writes the store as lines of JSON; returns the number of keys. Raises redis.RedisError."""
    versions = store.get_many([bucket.versions for bucket in buckets.all()])
    header = {
        "levelgate_archive": FORMAT,
        "format": layout.FORMAT,
        "version": max(int(version or 0) for version in versions),
    }
    out.write(json.dumps(header) + "\n")
    read = Script(store, _READ, writes=False)
    count = 0
    found = (key.decode() for key in store.scan_iter())
    wanted = (key for key in found if not keys.is_of_this_store_only(key))
    for batch in batched(wanted, _AT_A_TIME):
        count += sum(_write_lines(read, batch, out))
    out.write(json.dumps({"end": count}) + "\n")
    return count


def _write_lines(read: Script, names: Sequence[str], out: TextIO) -> Iterator[int]:
    found = read.many([([name], []) for name in names])
    for name, reply in zip(names, found, strict=True):
        if reply is None:
            continue  # The key has expired since it was listed.
        kind, milliseconds, values = reply
        user_key = keys.user_key(name)
        line: dict[str, Any] = {"key": name} if user_key is None else user_key._asdict()
        line |= {
            "type": kind.decode(),
            "ms": milliseconds,
            "values": [_text(each) for each in values],
        }
        out.write(json.dumps(line, ensure_ascii=False) + "\n")
        yield 1


def restore(store: Store, buckets: Buckets, lines: TextIO) -> int:
    """Writes an archive into an empty store; returns the number of keys.

    Raises ArchiveError: before it writes anything if the file is not an archive or the store is
    not empty, and at the end if the archive is incomplete.
    """
    header = _header(lines)
    if any(key != keys.LAYOUT.encode() for key in store.scan_iter()):
        raise ArchiveError("the store is not empty: an import needs an empty store")
    layout.claim(store, buckets, is_writer=True)
    bulk, write = BulkUsers(store, buckets), Script(store, _WRITE)
    count = 0
    for batch in batched(_lines(lines), _LINES_AT_A_TIME):
        users = [line for line in batch if line.get("kind") == "user"]
        others = [line for line in batch if line.get("kind") != "user"]
        bulk.restore(
            ((line["user"], _bytes(line["values"][0])) for line in users), header["version"]
        )
        for group in batched(others, _AT_A_TIME):
            write.many([_call(line, buckets) for line in group])
        count += len(batch)
    return count


def _call(line: dict[str, Any], buckets: Buckets) -> tuple[list[str], list[Value]]:
    name = line.get("key")
    if name is None:
        name = UserKey(line["kind"], line["rest"], line["user"]).under(buckets)
    return [name], [line["type"], line["ms"], *map(_bytes, line["values"])]


def _header(lines: TextIO) -> dict[str, Any]:
    try:
        header = json.loads(next(lines, ""))
        is_archive = header["levelgate_archive"] == FORMAT
    except (ValueError, KeyError, TypeError):
        is_archive = False
    if not is_archive:
        raise ArchiveError(f"this is not an archive of levelgate in format {FORMAT}")
    if not 0 <= header["version"] <= MAX_VERSION:
        raise ArchiveError(f"its version {header['version']} is not in 0..{MAX_VERSION}")
    if header["format"] > layout.FORMAT:
        raise ArchiveError(f"its records have format {header['format']}: use a newer release")
    return dict(header)


def _lines(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    count, is_whole = 0, False
    for text in lines:
        line = json.loads(text)
        if "end" in line:
            is_whole = line["end"] == count
            break
        count += 1
        yield line
    if not is_whole:
        raise ArchiveError(
            f"the archive is incomplete: it ends after {count} keys, which the store now has"
        )


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m operations.commands.archive", description=__doc__
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("command", choices=("export", "import"))
    parser.add_argument("file", type=Path)
    options = parser.parse_args(arguments)
    require_mounted(options.file)
    settings = store_settings()
    store, buckets = connect(settings), Buckets()
    try:
        if options.command == "export":
            layout.claim(store, buckets)
            with open(options.file, "x", encoding="utf-8", opener=_private) as out:
                count = export(store, buckets, out)
        else:
            with options.file.open(encoding="utf-8") as lines:
                count = restore(store, buckets, lines)
    except (ArchiveError, layout.LayoutMismatchError) as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(f"{options.file}: {error.strerror}")
    except redis.RedisError as error:
        return _refuse(no_store(settings, error))
    sys.stdout.write(f"{count} keys\n")
    return 0


def _private(path: str, flags: int) -> int:
    """Only the owner may read it: it holds members and the digests of secrets and tokens."""
    return os.open(path, flags, 0o600)


def _refuse(line: str) -> int:
    sys.stderr.write(line + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
