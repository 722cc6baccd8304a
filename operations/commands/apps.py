"""Manages apps: `python -m operations.commands.apps create|list|rotate|scopes|revoke`.

The apps are in the store of REDIS_URL, otherwise in that of the `make run` in this directory. A
secret is printed only once, alone on standard output, so that a script can read it.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import redis

from levelgate import __version__
from operations.commands.running import no_store, store_settings
from services.access import earlier_apps
from services.access.apps import App, AppExistsError, AppRevokedError, Apps, UnknownAppError
from services.access.scopes import all_scopes
from services.access.tokens import Tokens
from services.runtime.validation import MAX_ID
from services.store import layout
from services.store.client import connect
from services.store.keys import Buckets
from services.store.store import Store

_ON_ONE_APP = {
    "create": "create an app and show its secret; the name of a revoked app can be used again",
    "rotate": "add a secret; the previous one stays valid, older ones do not",
    "scopes": "replace the scopes; valid tokens lose scopes at once, but gain none",
    "revoke": "invalidate an app and its tokens permanently",
}
# The same limits as in the calls that take an appid.
_APPID = f"1-{MAX_ID} printable characters; spaces and / are allowed"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    settings = store_settings()
    store = connect(settings)
    try:
        layout.claim(store, Buckets())
        earlier_apps.move(store)
        _run(options, store)
    except UnknownAppError:
        return _refuse(f"there is no app {options.appid}; `list` shows all apps")
    except AppRevokedError:
        return _refuse(
            f"the app {options.appid} was revoked; `create` creates a new one with that name"
        )
    except AppExistsError:
        return _refuse(f"the app {options.appid} exists already; `rotate` gives it a new secret")
    except layout.LayoutMismatchError as error:
        return _refuse(str(error))
    except redis.RedisError as error:
        return _refuse(no_store(settings, error))
    return 0


def _run(options: argparse.Namespace, store: Store) -> None:
    apps = Apps(store)
    match options.command:
        case "create":
            _show_secret(options.appid, apps.create(options.appid, _scopes(options)))
        case "list":
            _list(apps)
        case "rotate":
            _show_secret(options.appid, apps.rotate(options.appid))
        case "scopes":
            apps.set_scopes(options.appid, _scopes(options))
            _say(f"{options.appid} has the scopes {' '.join(_scopes(options))}")
        case "revoke":
            Tokens(store).delete_all(apps.revoke(options.appid))
            _say(f"{options.appid} and its tokens are revoked")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m operations.commands.apps", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="show all apps, also revoked ones")
    for name, what in _ON_ONE_APP.items():
        command = commands.add_parser(name, help=what)
        command.add_argument("appid", type=_appid, help=_APPID)
        if name in {"create", "scopes"}:
            command.add_argument(
                "scopes",
                nargs="+",
                choices=all_scopes(),
                metavar="scope",
                help=f"what its tokens allow: {', '.join(all_scopes())}",
            )
    return parser


def _appid(text: str) -> str:
    if not 1 <= len(text) <= MAX_ID or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{_APPID}; got {text[:MAX_ID]!r}")
    return text


def _scopes(options: argparse.Namespace) -> Sequence[str]:
    return sorted(set(options.scopes))


def _list(apps: Apps) -> None:
    for app, last in apps.list():
        token = "no token yet" if last is None else f"last token {_day(last)}"
        created = f"created {_day(app.created)}"
        _say(f"{app.appid}  {created}  {token}  {_state(app)}  {' '.join(app.scopes)}")


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def _state(app: App) -> str:
    if app.revoked:
        return "revoked"
    return f"{len(app.secrets)} secret(s)" if app.secrets else "no valid secret: rotate it"


def _show_secret(appid: str, secret: str) -> None:
    sys.stderr.write(f"the secret of {appid}, which is shown only now:\n")
    _say(secret)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _refuse(line: str) -> int:
    sys.stderr.write(line + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
