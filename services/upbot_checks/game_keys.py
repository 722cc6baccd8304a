"""The key of a game fact, read from the messages that contain one."""

from levelgate.upbot.v1.eligibility_pb2 import GameInfoIs
from levelgate.upbot.v1.upbot_checks_pb2 import CheckGameInfoRequest
from levelgate.upbot.v1.user_facts_pb2 import GameInfo
from services.user_facts.fact import GameKey

# The default of partition_id in docs/api/upbot-check-game-info.md.
DEFAULT_PARTITION = "0"


def game_key(message: CheckGameInfoRequest | GameInfo | GameInfoIs) -> GameKey:
    """The key in a message, with the default of partition_id."""
    return GameKey(
        game_code=message.game_code,
        area_id=message.area_id,
        plat_id=message.plat_id,
        partition_id=message.partition_id
        if message.HasField("partition_id")
        else DEFAULT_PARTITION,
        role_name=message.role_name,
        game_check_info_id=message.game_check_info_id,
    )
