"""A variable that looks like a setting but is not one."""

import pytest
from pydantic_settings import BaseSettings

from gateway.settings import GatewaySettings
from operations.local_stack.settings import StackSettings
from services.runtime.misspelt import misspelt
from services.runtime.settings import variable
from services.store.settings import StoreSettings
from services.upbot_checks.settings import UpbotChecksSettings


@pytest.mark.parametrize(
    ("prefix", "settings", "name", "near"),
    [
        ("UPBOT_CHECKS_", UpbotChecksSettings, "UPBOT_CHECKS_THREAD", "UPBOT_CHECKS_THREADS"),
        ("GATEWAY_", GatewaySettings, "GATEWAY_RATELIMIT", "GATEWAY_RATE_LIMIT"),
        ("REDIS_", StoreSettings, "REDIS_TIMEOUT", "REDIS_TIMEOUT_SECONDS"),
        ("STACK_", StackSettings, "STACK_DIRECTROY", "STACK_DIRECTORY"),
    ],
)
def test_a_misspelt_setting_is_named_with_the_nearest_one(
    prefix: str, settings: type[BaseSettings], name: str, near: str
) -> None:
    right = {variable(settings, field): "1" for field in settings.model_fields}
    assert misspelt(prefix, settings, {**right, "PATH": "/bin", name: "secret"}) == {
        name: f"warning: the variable {name} is not a setting and is ignored; did you mean {near}?"
    }


def test_a_variable_that_is_like_no_setting_is_named_without_a_suggestion() -> None:
    [line] = misspelt("GATEWAY_", GatewaySettings, {"GATEWAY_XYZZY_QWERTY_ASDFGH": "1"}).values()
    assert line.endswith("GATEWAY_XYZZY_QWERTY_ASDFGH is not a setting and is ignored")


@pytest.mark.parametrize(
    "name",
    ["REDIS_PORT", "REDIS_SERVICE_HOST", "REDIS_SERVICE_PORT_MAIN", "REDIS_PORT_6379_TCP_ADDR"],
)
def test_variables_that_kubernetes_sets_are_not_reported(name: str) -> None:
    assert misspelt("REDIS_", StoreSettings, {name: "10.0.0.1"}) == {}
