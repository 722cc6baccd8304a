"""A store moves to another number of buckets, to a cluster and back, by export and import."""

import io
import json
from pathlib import Path
from typing import cast

import pytest

from operations.commands import archive
from operations.commands.archive_lines import ArchiveError
from operations.commands.demo import load_data
from services.access.apps import Apps
from services.access.tokens import Tokens
from services.rules.rule_book import RuleBook
from services.shop_level.shop import Profile
from services.shop_level.shop_store import ShopStore
from services.store import keys, layout
from services.store.keys import Buckets
from services.store.settings import StoreSettings
from services.store.store import Store
from services.user_facts.fact import ANDROID
from services.user_facts.fact_store import FactStore
from services.user_state.bulk import BulkUsers
from services.user_state.history import changes_of
from services.user_state.scripts import Retention
from services.user_state.state import Bill, Outcome, UserState

pytestmark = pytest.mark.stores("valkey", "cluster")

USERS = ("3dfg4df", "5", "42", "joe")


def archived(store: Store) -> io.StringIO:
    out = io.StringIO()
    archive.export(store, Buckets(), out)
    out.seek(0)
    return out


@pytest.mark.stores
@pytest.mark.parametrize("count", [1, 7, 1024, 4096])
def test_an_archive_moves_everything_to_another_number_of_buckets(
    store: Store, other: Store, count: int
) -> None:
    layout.claim(store, Buckets())
    load_data(store, Buckets())
    users = UserState(store, Buckets())
    thresholds = RuleBook(store).book().thresholds
    users.add_points("5", 7, Bill("b:1", "a:b"), thresholds)
    apps = Apps(store)
    secret = apps.create("shop", ["shop:read"])
    app = apps.authenticate("shop", secret)
    assert app is not None
    pair = Tokens(store).issue(app)
    assert pair is not None

    buckets = Buckets(count)
    archive.restore(other, buckets, archived(store))

    moved = UserState(other, buckets)
    for user in USERS:
        assert moved.get(user) == users.get(user)
    again = moved.add_points("5", 7, Bill("b:1", "a:b"), thresholds)
    assert again.outcome is Outcome.REPEAT
    assert RuleBook(other).book().version == RuleBook(store).book().version
    assert RuleBook(other).version(1) is not None
    assert FactStore(other, buckets).is_any_lit("xxxxd3dd", [1279], [ANDROID])
    assert FactStore(other, buckets).all_of("aaa") == FactStore(store, Buckets()).all_of("aaa")
    assert ShopStore(other, buckets).profile("6", "joe") == Profile(nickname="Joe")
    assert ShopStore(other, buckets).get("7") is not None
    grant = Tokens(other).find(pair.access_token)
    assert grant is not None
    assert grant.appid == "shop"
    levels = RuleBook(other).book().levels
    bulk = BulkUsers(other, buckets)
    names = [user for _, user, _ in bulk.users(buckets.all(), levels)]
    assert sorted(names) == sorted(USERS)


def test_versions_of_users_who_were_deleted_before_the_move_still_rise(
    store: Store, other: Store
) -> None:
    load_data(store, Buckets())
    users = UserState(store, Buckets())
    last = users.get("5")
    assert last is not None
    users.delete("5")
    archive.restore(other, Buckets(64), archived(store))
    moved = UserState(other, Buckets(64), Retention())
    back = moved.initialise("5", RuleBook(other).book().thresholds.levels[0], 1)
    assert back.version > last.version
    assert len(changes_of(back)) == 1


@pytest.mark.stores("valkey")
def test_an_import_into_a_store_with_data_is_refused(store: Store) -> None:
    load_data(store, Buckets())
    with pytest.raises(ArchiveError, match="not empty"):
        archive.restore(store, Buckets(), archived(store))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "x",
        "[" * 100_000,
        '{"levelgate_archive": 2}',
        '{"levelgate_archive": 1, "format": 2}',
        '{"levelgate_archive": 1, "version": 7}',
        '{"levelgate_archive": 1, "format": 2, "version": "7"}',
        '{"levelgate_archive": 1, "format": 2, "version": -1}',
        '{"levelgate_archive": 1, "format": 2, "version": 9007199254740992}',
        '{"levelgate_archive": 1, "format": 99, "version": 7}',
        '{"levelgate_archive": 1, "format": 2, "version": 7, "more": "\udcff"}',
    ],
)
def test_what_is_not_an_archive_is_refused_before_anything_is_written(
    other: Store, text: str
) -> None:
    with pytest.raises(ArchiveError):
        archive.restore(other, Buckets(), io.StringIO(text))
    assert other.get(keys.LAYOUT) is None


def test_an_incomplete_archive_is_reported(store: Store, other: Store) -> None:
    load_data(store, Buckets())
    broken = archived(store).getvalue().rpartition('{"end"')[0]
    with pytest.raises(ArchiveError, match="incomplete"):
        archive.restore(other, Buckets(), io.StringIO(broken))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"kind": "user", "rest": "5", "us', "must be one JSON object"),
        ("garbage", "must be one JSON object"),
        ("\udcff", "must be one JSON object, in UTF-8"),
        ("", "must be one JSON object"),
        ("[]", "should be an object"),
        ('{"rest": "5", "user": "5", "type": "string", "ms": -1, "values": [""]}', "all of kind,"),
        ('{"key": "k", "kind": "user", "type": "string", "ms": -1, "values": [""]}', "either key"),
        ('{"key": 7, "type": "string", "ms": -1, "values": [""]}', "key: Input should be"),
        ('{"key": "k", "type": "list", "ms": -1, "values": [""]}', "type: Input should be"),
        ('{"key": "k", "type": "string", "ms": "x", "values": [""]}', "ms: Input should be"),
        ('{"key": "k", "type": "string", "ms": -1}', "values: Field required"),
        ('{"key": "k", "type": "string", "ms": -1, "values": []}', "values: List should have"),
        ('{"key": "k", "type": "string", "ms": -1, "values": [1234]}', "values: Input should be"),
        ('{"key": "k", "type": "string", "ms": -1, "values": ["YQ"]}', "values: must be base64"),
        ('{"key": "k", "type": "string", "ms": -1, "values": ["Y!Q="]}', "values: must be base64"),
        ('{"key": "k", "type": "string", "ms": -1, "values": ["é==="]}', "values: must be base64"),
        ('{"key": "k", "type": "hash", "ms": -1, "values": ["YQ=="]}', "of a hash must be pairs"),
        ('{"key": "k", "type": "string", "ms": -2, "values": ["YQ=="]}', "ms: Input should be"),
        ('{"key": "k", "type": "zset", "ms": -1, "values": ["YQ==", "YQ=="]}', "must be numbers"),
        (
            '{"kind": "user", "rest": "5", "user": "5", "type": "string", "ms": -1,'
            ' "values": ["YQ=="]}',
            "must be a record",
        ),
        ('{"end": "1"}', "end: Input should be"),
    ],
)
def test_a_wrong_line_of_an_archive_is_reported_with_its_number_and_what_is_expected(
    other: Store, line: str, reason: str
) -> None:
    header = '{"levelgate_archive": 1, "format": 2, "version": 7}\n'
    entry = '{"key": "k", "type": "string", "ms": -1, "values": ["YQ=="]}\n'
    with pytest.raises(ArchiveError) as raised:
        archive.restore(other, Buckets(), io.StringIO(f"{header}{entry}{line}\n"))
    message = str(raised.value)
    assert message.startswith("line 3: ")
    assert message.endswith("; empty the store before the next import")
    assert reason in message


@pytest.mark.stores("valkey")
def test_an_interrupted_export_leaves_no_file(
    store: Store, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(store: Store, buckets: Buckets, out: io.TextIOBase) -> int:
        del store, buckets
        out.write("a part")
        out.flush()
        assert [each.name for each in tmp_path.iterdir()] == ["a.archive.part"]
        raise KeyboardInterrupt

    layout.claim(store, Buckets())
    monkeypatch.setenv("REDIS_URL", address)
    monkeypatch.setattr(archive, "export", interrupted)
    assert archive.main(["export", str(tmp_path / "a.archive")]) == 1
    assert not list(tmp_path.iterdir())


class LayoutFirst:
    """A store that lists its layout first, which happens by chance in one of about 17."""

    def scan_iter(self) -> list[bytes]:
        return [keys.LAYOUT.encode(), keys.RULES.encode()]


@pytest.mark.stores("valkey")
def test_a_store_is_not_empty_because_its_layout_is_listed_first(store: Store) -> None:
    layout.claim(store, Buckets())
    with pytest.raises(ArchiveError, match="not empty"):
        archive.restore(cast(Store, LayoutFirst()), Buckets(), archived(store))


def test_the_command_exports_and_imports_an_archive(
    store: Store,
    address: str,
    other: Store,
    other_settings: StoreSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "levelgate.archive"
    load_data(store, Buckets())
    monkeypatch.setenv("REDIS_URL", address)
    assert archive.main(["export", str(file)]) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    # An export does not replace a file.
    assert archive.main(["export", str(file)]) == 1
    monkeypatch.setenv("OPERATOR_FILES", "somewhere")
    with pytest.raises(SystemExit, match="outside of the directory OPERATOR_FILES"):
        archive.main(["import", str(file)])
    monkeypatch.delenv("OPERATOR_FILES")
    # Without REDIS_URL it uses the store of the running `make run`.
    monkeypatch.delenv("REDIS_URL")
    monkeypatch.setenv("STACK_DIRECTORY", str(tmp_path))
    url = other_settings.url.get_secret_value()
    (tmp_path / "stack.json").write_text(json.dumps({"redis": url}))
    assert archive.main(["import", str(file)]) == 0
    assert archive.main(["import", str(file)]) == 1
    moved = UserState(other, Buckets()).get("5")
    assert moved is not None
    assert moved.level == 5
