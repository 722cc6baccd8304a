"""Reads conditions from the messages of the contract."""

from collections.abc import Callable, Mapping

from levelgate.upbot.v1 import eligibility_pb2 as pb
from levelgate.upbot.v1.upbot_checks_pb2 import CompareInfo
from services.upbot_checks.compare import CompareType, Comparison
from services.upbot_checks.eligibility.condition import (
    All,
    AnyOf,
    AnyStar,
    Condition,
    GameInfo,
    LevelAtLeast,
    LevelIn,
    Not,
    Points,
)
from services.upbot_checks.game_keys import game_key
from services.user_facts.fact import DEVICES, Star


def parse_condition(message: pb.Condition) -> Condition:
    """The message must have been validated: a KeyError for a missing kind is a bug."""
    return _READERS[message.WhichOneof("kind")](message)


def _star(message: pb.Condition) -> Condition:
    star = message.star
    devices = [star.device] if star.HasField("device") else DEVICES
    return AnyStar(frozenset(Star(gid, device) for gid in star.gids for device in devices))


def _game_info(message: pb.Condition) -> Condition:
    info = message.game_info
    compare = parse_comparison(info.compare_info) if info.HasField("compare_info") else None
    return GameInfo(game_key(info), frozenset(info.xinyue_codes), compare)


_READERS: Mapping[str | None, Callable[[pb.Condition], Condition]] = {
    "all": lambda message: All(tuple(map(parse_condition, message.all.conditions))),
    "any": lambda message: AnyOf(tuple(map(parse_condition, message.any.conditions))),
    "negated": lambda message: Not(parse_condition(message.negated)),
    "level_in": lambda message: LevelIn(frozenset(message.level_in.levels)),
    "level_at_least": lambda message: LevelAtLeast(message.level_at_least),
    "points": lambda message: Points(parse_comparison(message.points)),
    "star": _star,
    "game_info": _game_info,
}


def parse_comparison(info: CompareInfo) -> Comparison:
    return Comparison(CompareType(info.compare_type), info.value, info.rvalue)
