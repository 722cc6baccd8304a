"""The settings that the parts will read, read once before the first of them starts."""

from gateway.settings import GatewaySettings
from services.member_level.settings import MemberLevelSettings
from services.runtime.settings import AccessSettings, load
from services.shop_level.settings import ShopLevelSettings
from services.store.settings import StoreSettings
from services.upbot_checks.settings import UpbotChecksSettings

PART_SETTINGS = (
    AccessSettings,
    StoreSettings,
    UpbotChecksSettings,
    MemberLevelSettings,
    ShopLevelSettings,
    GatewaySettings,
)


def check_part_settings() -> None:
    """A wrong setting of any part ends the run here, with one line that names it."""
    for settings in PART_SETTINGS:
        load(settings)
