"""Backup and restore by the store's own copy, as docs/durability.md describes them."""

import shutil
from pathlib import Path
from typing import Any

import redis

from operations.commands.demo import load_data
from services.store import layout
from services.store.client import connect
from services.store.keys import Buckets
from services.user_state.state import UserState
from tests.stack.waiting import until
from tests.support.store_server import SERVERS, server, store_settings


def test_a_copy_of_the_snapshot_is_a_backup(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    with server(SERVERS["valkey"], first) as running:
        store = connect(store_settings(running.port))
        layout.claim(store, Buckets())
        load_data(store, Buckets())
        before = UserState(store, Buckets()).get("3dfg4df")
        raw: Any = redis.Redis(port=running.port)
        saved = raw.lastsave()
        # LASTSAVE has seconds: a save in the second of the start would not show.
        until(lambda: raw.time()[0] > int(saved.timestamp()), "the next second")
        raw.bgsave()
        until(lambda: raw.lastsave() > saved, "the snapshot")
        shutil.copy(first / "dump.rdb", second)
        UserState(store, Buckets()).delete("3dfg4df")
    with server(SERVERS["valkey"], second) as restored:
        store = connect(store_settings(restored.port))
        layout.claim(store, Buckets())
        assert UserState(store, Buckets()).get("3dfg4df") == before
        raw = redis.Redis(port=restored.port)
        raw.config_set("appendonly", "yes")
        until(
            lambda: raw.info("persistence")["aof_rewrite_in_progress"] == 0, "the append-only file"
        )
        until(lambda: raw.info("persistence")["aof_enabled"] == 1, "the append-only file")
        assert list((second / "appendonlydir").glob("*.base.rdb"))
