"""Prepares what the public images of the compose stack need: `operations.deployment.provision`.

Runs once, before them, and writes into the volumes that they mount: the store's settings, users and
password, and what Envoy reads. One build is the source of all; no password is committed.
"""

import hashlib
import os
import secrets
import shutil
import sys
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway.render import HERE as GATEWAY
from gateway.render import render
from gateway.settings import CommonSettings, GatewaySettings
from services.runtime.settings import load

USER = "levelgate"
HERE = Path(__file__).resolve().parent

# Nobody is anybody without a password, but for the probe, which may only ask whether the store is
# there. The services get everything under their own keys but what administers the server. The
# operator has no other user, and the append-only file must be rewritten at a quiet hour.
#
# `default` is off, so nobody can be it; yet it keeps every permission: a store that starts runs the
# transactions of its append-only file as that user. Measured with Redis 8.0: without permissions
# each of them is refused, with a line in the log, and the data are gone.
_USERS = """\
user default off resetpass ~* &* +@all
user probe on nopass -@all +ping
user {user} on #{digest} ~lg:* ~{{lg:* +@all -@admin -@dangerous +bgrewriteaof
"""

# What container.bash needs to know of the settings.
_CONTAINER = """\
linger={linger} most={most:.0f} threads={threads}
"""


class ProvisionSettings(BaseSettings):
    """Environment variables that start with PROVISION_."""

    model_config = SettingsConfigDict(env_prefix="PROVISION_", env_ignore_empty=True)

    directory: Path = Field(
        Path("/provision"), description="Where the volumes secrets, store and gateway are mounted."
    )
    password_file: Path | None = Field(
        None, description="The store's password; without one, or if it is empty, one is made."
    )


def main() -> int:
    settings = load(ProvisionSettings)
    directory = settings.directory
    try:
        password = _password(directory / "secrets" / "redis_password", settings.password_file)
        _write_store(directory / "store", password)
        _write_gateway(directory / "gateway", load(GatewaySettings))
    except OSError as error:
        sys.exit(f"cannot provision: {error.filename}: {error.strerror}")
    sys.stdout.write("provisioned: the store's users and settings, the gateway's configuration\n")
    return 0


def _password(path: Path, given: Path | None) -> str:
    """The given password, else the one of the last time, else a new one."""
    try:
        password = given.read_text().strip() if given is not None else ""
    except OSError as error:
        # In compose, REDIS_PASSWORD_FILE is what the operator sets.
        sys.exit(
            f"cannot provision: the file of REDIS_PASSWORD_FILE must be readable by uid"
            f" {os.getuid()}: {error.strerror}"
        )
    if not password and path.exists():
        password = path.read_text().strip()
    password = password or secrets.token_urlsafe(32)
    # The group is for operators' commands, which run as the owner of the files they read and write.
    _replace(path, password.encode() + b"\n", 0o440)
    return password


def _write_store(directory: Path, password: str) -> None:
    digest = hashlib.sha256(password.encode()).hexdigest()
    (directory / "users.acl").write_text(_USERS.format(user=USER, digest=digest))
    shutil.copyfile(HERE / "store.conf", directory / "store.conf")


def _write_gateway(directory: Path, settings: CommonSettings) -> None:
    files = {
        "envoy.yaml": render(settings).encode(),
        "settings.bash": _CONTAINER.format(
            linger=settings.linger_seconds,
            most=settings.drain_seconds,
            threads=settings.worker_threads or "",
        ).encode(),
        "healthz.bash": (HERE / "healthz.bash").read_bytes(),
        **{
            str(path.relative_to(GATEWAY)): path.read_bytes()
            for path in (
                GATEWAY / "container.bash",
                GATEWAY / "levelgate.binpb",
                *(GATEWAY / "lua").iterdir(),
            )
        },
    }
    (directory / "lua").mkdir(exist_ok=True)
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        _replace(directory / name, content, 0o755 if name.endswith(".bash") else 0o644)
        digest.update(name.encode() + b"\n" + content)
    # The last one: a running gateway reads all of them anew when it changes.
    _replace(directory / "version", digest.hexdigest().encode() + b"\n", 0o644)


def _replace(path: Path, content: bytes, mode: int) -> None:
    """Who reads it meanwhile, or runs it, finds the old content or the new one."""
    draft = path.with_name(path.name + ".draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
    draft.replace(path)


if __name__ == "__main__":
    sys.exit(main())
