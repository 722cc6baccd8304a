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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import redis

from levelgate import __version__
from operations.commands.archive_lines import FORMAT, ArchiveError, Entry, read_entries, read_header
from operations.commands.files import named_when_complete, require_mounted
from operations.commands.running import no_store, store_settings
from services.store import keys, layout
from services.store.batches import batched
from services.store.client import connect
from services.store.keys import Buckets
from services.store.scripts import Script
from services.store.store import Store
from services.user_facts.fact_store import FactStore
from services.user_state.bulk import BulkUsers

_AT_A_TIME = 500
_LINES_AT_A_TIME = 50_000
_HINT = "empty the store before the next import"

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
    not empty, otherwise for the first line that is not an entry or is missing.
    """
    header = read_header(lines)
    if any(key != keys.LAYOUT.encode() for key in store.scan_iter()):
        raise ArchiveError("the store is not empty: an import needs an empty store")
    layout.claim(store, buckets, is_writer=True)
    try:
        return _write(store, buckets, header.version, read_entries(lines))
    except ArchiveError as error:
        raise ArchiveError(f"{error}; {_HINT}") from error


def _write(store: Store, buckets: Buckets, version: int, entries: Iterator[Entry]) -> int:
    bulk, write = BulkUsers(store, buckets), Script(store, _WRITE)
    facts = FactStore(store, buckets)
    count = 0
    for batch in batched(entries, _LINES_AT_A_TIME):
        users = [entry for entry in batch if entry.kind == "user"]
        others = [entry for entry in batch if entry.kind != "user"]
        bulk.restore(((entry.user or "", entry.values[0]) for entry in users), version)
        for group in batched(others, _AT_A_TIME):
            write.many([entry.call(buckets) for entry in group])
            facts.index(entry.user or "" for entry in group if entry.kind == "facts")
        count += len(batch)
    return count


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


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
            if options.file.exists():
                return _refuse(f"{options.file} exists already")
            layout.claim(store, buckets)
            with named_when_complete(options.file, _private) as out:
                count = export(store, buckets, out)
        else:
            # Bytes that are not UTF-8 are kept: their line is refused.
            with options.file.open(encoding="utf-8", errors="surrogateescape") as lines:
                count = restore(store, buckets, lines)
    except (ArchiveError, layout.LayoutMismatchError) as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(f"{options.file}: {error.strerror}")
    except redis.RedisError as error:
        return _refuse(no_store(settings, error))
    except KeyboardInterrupt:
        return _refuse("interrupted" if options.command == "export" else f"interrupted; {_HINT}")
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
