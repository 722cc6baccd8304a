"""Writes docs/settings.md: the settings of every process as tables."""

import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from gateway.settings import GatewaySettings
from operations.local_stack.settings import ROOT, StackSettings
from services.runtime.settings import AccessSettings, ServerSettings, settings_of, variable
from services.store.settings import StoreSettings
from services.suite import SUITE

HEAD = (
    "<!-- Written by `make generate` from the settings' classes. -->\n"
    "# Settings\n\n"
    "All settings are environment variables. A wrong value ends the process with a message that\n"
    "names the variable. A variable that begins like a setting but is none of them is ignored,\n"
    "and the process prints a warning.\n"
)


def _of_services() -> Iterator[tuple[str, str, type[BaseSettings]]]:
    for service in SUITE:
        if (ROOT / "services" / service.name / "settings.py").exists():
            yield service.name, "", settings_of(service.name)
        else:
            # The first step of adding a service generates its stubs.
            print(f"generate: services/{service.name} has no settings.py yet", file=sys.stderr)


PARTS: tuple[tuple[str, str, type[BaseSettings]], ...] = (
    ("Every service: who may call", "", AccessSettings),
    ("Every service, `make apps`, the demo: the store", "", StoreSettings),
    *_of_services(),
    ("The gateway", "", GatewaySettings),
    (
        "`make run`",
        "`make run` passes every other variable on to the services and the gateway.",
        StackSettings,
    ),
)


def settings_page() -> str:
    """docs/settings.md."""
    common = "## Every service, with its own prefix, such as `UPBOT_CHECKS_THREADS`\n\n"
    parts = [HEAD, common + _table(ServerSettings, prefix="<SERVICE>_", leave_out=())]
    shared = tuple(ServerSettings.model_fields)
    for title, note, settings in PARTS:
        leave_out = shared if issubclass(settings, ServerSettings) else ()
        leave_out = tuple(name for name in leave_out if not _is_own(name, settings))
        text = f"{note}\n\n" if note else ""
        parts.append(f"## {title}\n\n{text}{_table(settings, prefix=None, leave_out=leave_out)}")
    return "\n".join(parts)


def _is_own(name: str, settings: type[BaseSettings]) -> bool:
    """Whether this service has its own default or description of a common field."""
    own, common = settings.model_fields[name], ServerSettings.model_fields[name]
    return (own.default, own.description) != (common.default, common.description)


def _table(settings: type[BaseSettings], prefix: str | None, leave_out: tuple[str, ...]) -> str:
    rows = ["| variable | default | what it is |\n|---|---|---|\n"]
    for name, field in settings.model_fields.items():
        if name in leave_out:
            continue
        shown = variable(settings, name) if prefix is None else f"{prefix}{name.upper()}"
        rows.append(f"| `{shown}` | {_default(field.default)} | {field.description} |\n")
    return "".join(rows)


def _default(value: object) -> str:
    if value is PydanticUndefined:
        return "see below"
    if value is None or value in {"", frozenset()}:
        return ""
    if isinstance(value, SecretStr):
        return f"`{value.get_secret_value()}`"
    if isinstance(value, Path) and value.is_absolute():
        return f"`{value.relative_to(ROOT)}`"
    return f"`{value}`"
