"""Settings come from the environment, and a wrong setting is reported in one clear line."""

from datetime import UTC, datetime

import pytest
from pydantic_settings import BaseSettings

from services.member_level import contract as member_level
from services.member_level.settings import MemberLevelSettings
from services.runtime.settings import AccessSettings, load, settings_of
from services.shop_level.settings import ShopLevelSettings
from services.store.settings import StoreSettings
from services.suite import SUITE
from services.upbot_checks import contract as upbot_checks
from services.upbot_checks.settings import UpbotChecksSettings
from services.user_state.record import MAX_PROTECTED_UNTIL, SECONDS_PER_DAY

ALL: tuple[type[BaseSettings], ...] = (
    *(settings_of(service.name) for service in SUITE),
    AccessSettings,
    StoreSettings,
)


def test_every_setting_has_a_default_and_a_description() -> None:
    for settings in ALL:
        load(settings)
        for name, field in settings.model_fields.items():
            assert field.description, name


@pytest.mark.parametrize(
    ("settings", "variable", "value"),
    [
        (UpbotChecksSettings, "UPBOT_CHECKS_PORT", "nine"),
        (UpbotChecksSettings, "UPBOT_CHECKS_PORT", "70000"),
        (MemberLevelSettings, "MANUAL_LEVEL_DAYS", "0"),
        (MemberLevelSettings, "MANUAL_LEVEL_DAYS", "20001"),
        (ShopLevelSettings, "DEFAULT_SHOP", "x" * 129),
        (AccessSettings, "OPEN_FAMILIES", "upbot"),
        (AccessSettings, "OPEN_FAMILIES", "member,everything"),
        (StoreSettings, "REDIS_TIMEOUT_SECONDS", "-1"),
        (StoreSettings, "REDIS_URL", "not a url"),
    ],
)
def test_a_wrong_setting_is_reported_in_one_line_with_its_variable(
    settings: type[BaseSettings], variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit) as raised:
        load(settings)
    line = str(raised.value)
    assert line.startswith(f"wrong setting {variable}: ")
    assert "\n" not in line


def test_the_limit_of_long_calls_names_all_of_them() -> None:
    description = MemberLevelSettings.model_fields["long_calls"].description or ""
    paths = member_level.CONTRACT.long | upbot_checks.CONTRACT.long
    listed = description.partition("(")[2].partition(")")[0].split(", ")
    assert sorted(listed) == sorted(path.rpartition("/")[2] for path in paths)


def test_the_longest_protection_fits_its_field_for_decades() -> None:
    days = 20_000
    assert MemberLevelSettings(manual_level_days=days).manual_level_days == days
    in_2050 = datetime(2050, 1, 1, tzinfo=UTC).timestamp()
    assert in_2050 + days * SECONDS_PER_DAY <= MAX_PROTECTED_UNTIL


def test_families_are_opened_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, families in (
        ("", set()),
        ("member", {"member"}),
        ("member,shop", {"member", "shop"}),
        (" shop , ", {"shop"}),
    ):
        monkeypatch.setenv("OPEN_FAMILIES", value)
        assert load(AccessSettings).open_families == families, value


def test_the_address_of_the_store_is_not_in_the_repr() -> None:
    assert "redis://" not in repr(StoreSettings())
