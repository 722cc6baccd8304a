"""`python -m operations.commands.apps`, with a real store."""

import json
from pathlib import Path

import pytest
import redis
from pydantic import SecretStr

from operations.commands import archive
from operations.commands.apps import main
from operations.commands.running import no_store
from services.access.apps import Apps
from services.access.tokens import Tokens
from services.store import keys
from services.store.settings import StoreSettings
from services.store.store import Store
from tests.integration.test_earlier_apps import store_as_earlier
from tests.stack.waiting import free_ports

pytestmark = pytest.mark.stores("valkey")


@pytest.fixture(autouse=True)
def address(any_store: StoreSettings, store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("REDIS_URL", any_store.url.get_secret_value())
    monkeypatch.setenv("REDIS_TIMEOUT_SECONDS", "5")
    return store


def test_a_secret_is_shown_once_and_works(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["create", "billing", "upbot:check", "member:read"]) == 0
    secret = capsys.readouterr().out.strip()
    app = Apps(store).authenticate("billing", secret)
    assert app is not None
    assert app.scopes == ("member:read", "upbot:check")
    assert main(["list"]) == 0
    shown = capsys.readouterr()
    assert "billing" in shown.out
    assert secret not in shown.out + shown.err


def test_rotating_keeps_the_previous_secret_valid(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = []
    for command in (["create", "billing", "upbot:check"], ["rotate", "billing"]):
        assert main(command) == 0
        secrets.append(capsys.readouterr().out.strip())
    apps = Apps(store)
    assert all(apps.authenticate("billing", secret) for secret in secrets)


def test_revoking_invalidates_the_secret_and_releases_the_name(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["create", "billing", "upbot:check"])
    first = capsys.readouterr().out.strip()
    app = Apps(store).authenticate("billing", first)
    assert app is not None
    assert Tokens(store).issue(app) is not None
    assert main(["revoke", "billing"]) == 0
    assert main(["list"]) == 0
    assert "revoked" in capsys.readouterr().out
    assert set(store.scan_iter()) == {
        key.encode() for key in (keys.APPS, keys.app("billing"), keys.LAST_TOKENS, keys.LAYOUT)
    }
    assert main(["create", "billing", "shop:read"]) == 0
    second = capsys.readouterr().out.strip()
    assert Apps(store).authenticate("billing", first) is None
    again = Apps(store).authenticate("billing", second)
    assert again is not None
    assert again.scopes == ("shop:read",)
    assert main(["list"]) == 0
    assert "revoked" not in capsys.readouterr().out


def test_scopes_are_replaced(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    main(["create", "billing", "upbot:check"])
    secret = capsys.readouterr().out.strip()
    assert main(["scopes", "billing", "shop:read", "member:read", "shop:read"]) == 0
    assert capsys.readouterr().out == "billing has the scopes member:read shop:read\n"
    app = Apps(store).authenticate("billing", secret)
    assert app is not None
    assert app.scopes == ("member:read", "shop:read")


def test_the_store_of_a_running_stack_is_found(
    any_store: StoreSettings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    summary = tmp_path / ".run" / "stack.json"
    summary.parent.mkdir()
    summary.write_text(json.dumps({"redis": any_store.url.get_secret_value()}))
    monkeypatch.delenv("REDIS_URL")
    assert main(["create", "billing", "upbot:check"]) == 0
    # As if `make run` had another directory.
    summary.rename(tmp_path / "stack.json")
    assert main(["list"]) == 1
    monkeypatch.setenv("STACK_DIRECTORY", str(tmp_path))
    assert main(["list"]) == 0
    monkeypatch.setenv("REDIS_URL", any_store.url.get_secret_value())
    summary = tmp_path / "stack.json"
    summary.write_text(json.dumps({"redis": f"redis://127.0.0.1:{free_ports(1)[0]}/0"}))
    assert main(["list"]) == 0
    assert "billing" in capsys.readouterr().out


def test_the_list_says_that_an_app_with_scrypt_secrets_must_be_rotated(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    store_as_earlier(store, "old")
    assert main(["list"]) == 0
    assert "no valid secret: rotate it" in capsys.readouterr().out
    assert main(["rotate", "old"]) == 0
    secret = capsys.readouterr().out.strip()
    assert Apps(store).authenticate("old", secret) is not None
    assert main(["list"]) == 0
    assert "1 secret(s)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (["rotate", "nobody"], "there is no app nobody"),
        (["revoke", "nobody"], "there is no app nobody"),
        (["create", "known", "upbot:check"], "the app known exists already"),
        (["rotate", "gone"], "the app gone was revoked"),
        (["scopes", "gone", "upbot:check"], "the app gone was revoked"),
        (["scopes", "nobody", "upbot:check"], "there is no app nobody"),
    ],
)
def test_a_command_that_cannot_be_executed_says_why(
    command: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["create", "known", "upbot:check"])
    main(["create", "gone", "upbot:check"])
    main(["revoke", "gone"])
    capsys.readouterr()
    assert main(command) == 1
    shown = capsys.readouterr()
    assert shown.err.startswith(line)
    assert shown.err.count("\n") == 1
    assert shown.out == ""


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["create", "a"],
        ["create", "a", "no:scope"],
        ["create", "", "upbot:check"],
        ["scopes", "a"],
    ],
)
def test_a_wrong_command_shows_its_usage(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(command)
    assert "usage: python -m operations.commands.apps" in capsys.readouterr().err


def test_an_unavailable_store_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    away = f"127.0.0.1:{free_ports(1)[0]}"
    url = f"redis://operator:hunter2@{away}/0"
    monkeypatch.setenv("REDIS_URL", url)
    assert main(["list"]) == 1
    assert archive.main(["export", "x.archive"]) == 1
    monkeypatch.delenv("REDIS_URL")
    (tmp_path / ".run").mkdir()
    (tmp_path / ".run" / "stack.json").write_text(json.dumps({"redis": url}))
    assert main(["list"]) == 1
    said = f"no store at {away}: it cannot be reached"
    hint = "it belongs to the `make run` in this directory"
    assert capsys.readouterr().err == (
        2 * f"{said}; its address is in REDIS_URL\n" + f"{said}; {hint}\n"
    )


def test_the_report_says_if_no_make_run_is_running(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REDIS_URL")
    settings = StoreSettings(url=SecretStr("redis://operator:hunter2@store/0"))
    assert no_store(settings, redis.ConnectionError("hunter2")) == (
        "no store at store:6379: it cannot be reached; no `make run` is running in this directory:"
        " start it, or set REDIS_URL"
    )
