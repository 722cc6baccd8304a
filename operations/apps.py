"""Apps on the command line: `python -m operations.apps create|list|rotate|revoke`.

A secret is printed once, when it is made, and on a line of its own so that a script can take it.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import redis

from services.access.apps import App, AppExistsError, AppRevokedError, Apps, UnknownAppError
from services.access.scopes import all_scopes
from services.access.tokens import Tokens
from services.runtime.settings import load
from services.store import layout
from services.store.client import connect
from services.store.keys import Buckets
from services.store.settings import StoreSettings


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    settings = load(StoreSettings)
    store = connect(settings)
    apps = Apps(store)
    try:
        layout.claim(store, Buckets())
        match options.command:
            case "create":
                _create(apps, options.appid, options.scopes)
            case "list":
                _list(apps)
            case "rotate":
                _show_secret(options.appid, apps.rotate(options.appid))
            case "revoke":
                apps.revoke(options.appid)
                ended = Tokens(store, apps).revoke_all(options.appid)
                _say(f"{options.appid} is revoked, and {ended} token pairs with it")
    except UnknownAppError:
        return _refuse(f"there is no app {options.appid}; `list` shows those there are")
    except AppRevokedError:
        return _refuse(f"the app {options.appid} was revoked, which is for good; create another")
    except AppExistsError:
        return _refuse(f"there is an app {options.appid} already; `rotate` gives it a new secret")
    except layout.LayoutMismatchError as error:
        return _refuse(str(error))
    except redis.RedisError:
        return _refuse("the store does not answer; REDIS_URL says where it is looked for")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m operations.apps", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="make an app and show its secret")
    create.add_argument("appid", type=_appid)
    create.add_argument(
        "scopes",
        nargs="+",
        choices=all_scopes(),
        metavar="scope",
        help=f"what its tokens may do: {', '.join(all_scopes())}",
    )
    commands.add_parser("list", help="show all apps")
    rotate = commands.add_parser("rotate", help="add a secret; the newest one before stays live")
    rotate.add_argument("appid", type=_appid)
    revoke = commands.add_parser("revoke", help="end an app and its tokens, for good")
    revoke.add_argument("appid", type=_appid)
    return parser


def _appid(text: str) -> str:
    if not 1 <= len(text) <= 128 or not text.isprintable():
        raise argparse.ArgumentTypeError("an appid is 1-128 printable characters")
    return text


def _create(apps: Apps, appid: str, scopes: Sequence[str]) -> None:
    _show_secret(appid, apps.create(appid, sorted(set(scopes))))


def _list(apps: Apps) -> None:
    for app in apps.list():
        made = datetime.fromtimestamp(app.created, UTC).strftime("%Y-%m-%d")
        _say(f"{app.appid}  made {made}  {_state(app)}  {' '.join(app.scopes)}")


def _state(app: App) -> str:
    if app.revoked:
        return "revoked"
    return f"{len(app.secrets)} secret(s)" if app.secrets else "no valid secret: rotate it"


def _show_secret(appid: str, secret: str) -> None:
    sys.stderr.write(f"the secret of {appid}, shown this once:\n")
    _say(secret)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _refuse(line: str) -> int:
    sys.stderr.write(line + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
