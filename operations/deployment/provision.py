"""Writes the files that the public images of the compose stack need.

It runs once, before the other containers, and writes into the volumes that they mount: the store's
settings, users and password, and Envoy's configuration. So all of them come from one build, and no
password is in the repository.
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
from gateway.web_files import forms, web_files
from services.runtime.settings import load

USER = "levelgate"
HERE = Path(__file__).resolve().parent

# Every user needs a password, except the health probe, which may only send PING. The services may
# do everything with their own keys and may not administer the server, except that operators use
# their user to rewrite the append-only file when there is little traffic.
#
# `default` is off, so nobody can log in as that user, but it keeps all permissions: a store that
# starts runs the transactions of its append-only file as that user. Measured with Redis 8.0:
# without them each transaction is refused with a line in the log, and the data is lost.
_USERS = """\
user default off resetpass ~* &* +@all
user probe on nopass -@all +ping
user {user} on #{digest} ~lg:* ~{{lg:* +@all -@admin -@dangerous +bgrewriteaof
"""

# The settings that gateway/container.bash reads.
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
        None, description="File with the store's password. Empty or missing: one is generated."
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
    """The given password, otherwise the previous one, otherwise a new one."""
    try:
        password = given.read_text().strip() if given is not None else ""
    except OSError as error:
        # REDIS_PASSWORD_FILE is the name of the setting in compose.
        sys.exit(
            f"cannot provision: the file of REDIS_PASSWORD_FILE must be readable by uid"
            f" {os.getuid()}: {error.strerror}"
        )
    if not password and path.exists():
        password = path.read_text().strip()
    password = password or secrets.token_urlsafe(32)
    # Operators' commands run as the caller and may read it as members of the group.
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
        **{f"web/{name}": content for name, content in forms(web_files()).items()},
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
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        _replace(directory / name, content, 0o755 if name.endswith(".bash") else 0o644)
        digest.update(name.encode() + b"\n" + content)
    # Written last: when it changes, a running gateway reads all files again.
    _replace(directory / "version", digest.hexdigest().encode() + b"\n", 0o644)


def _replace(path: Path, content: bytes, mode: int) -> None:
    """A process that reads the file meanwhile gets either the old or the new content."""
    draft = path.with_name(path.name + ".draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
    draft.replace(path)


if __name__ == "__main__":
    sys.exit(main())
