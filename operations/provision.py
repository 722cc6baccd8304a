"""What the public images of the compose stack need of this suite: `python -m operations.provision`.

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
from gateway.settings import GatewaySettings
from services.runtime.settings import load

USER = "levelgate"
HERE = Path(__file__).resolve().parent

# Nobody is anybody without a password, but for the probe, which may only ask whether the store is
# there. The services get everything under their own keys but what administers the server.
#
# `default` is off, so nobody can be it; yet it keeps every permission: a store that starts runs the
# transactions of its append-only file as that user. Measured with Redis 8.0: without permissions
# each of them is refused, with a line in the log, and the data are gone.
_USERS = """\
user default off resetpass ~* &* +@all
user probe on nopass -@all +ping
user {user} on #{digest} ~lg:* ~{{lg:* +@all -@admin -@dangerous
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
    password = given.read_text().strip() if given is not None else ""
    if not password and path.exists():
        return path.read_text().strip()
    password = password or secrets.token_urlsafe(32)
    # Replaced as a whole: a service that reads it meanwhile finds the old one or the new one.
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
        file.write(password + "\n")
    draft.replace(path)
    return password


def _write_store(directory: Path, password: str) -> None:
    digest = hashlib.sha256(password.encode()).hexdigest()
    (directory / "users.acl").write_text(_USERS.format(user=USER, digest=digest))
    shutil.copyfile(HERE / "store.conf", directory / "store.conf")


def _write_gateway(directory: Path, settings: GatewaySettings) -> None:
    (directory / "envoy.yaml").write_text(render(settings))
    shutil.copyfile(GATEWAY / "levelgate.binpb", directory / "levelgate.binpb")
    shutil.copytree(GATEWAY / "lua", directory / "lua", dirs_exist_ok=True)
    shutil.copy(GATEWAY / "container.bash", directory)
    shutil.copy(HERE / "healthz.bash", directory)


if __name__ == "__main__":
    sys.exit(main())
