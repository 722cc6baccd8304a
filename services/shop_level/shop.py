"""A shop as its operators maintain it: settings and levels. Does no I/O.

The field names are the keys of the stored documents: see documents.py before you change one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

# The page is limited to 2 MiB of JSON, in which a byte of text may take six bytes.
MAX_LEVELS = 500
MAX_LEVEL_TEXT = 256 * 1024


class WeightTakenError(Exception):
    """Another level of the shop has the same weight."""


class LevelsFullError(Exception):
    """The shop cannot have more levels, or longer texts in them."""


class Profile(NamedTuple):
    """What a shop stores about a member; the texts are empty if it stores nothing."""

    nickname: str = ""
    avatar: str = ""


@dataclass(frozen=True)
class ShopSet:
    """The shop_set of docs/api/shop-member-level.md."""

    name: str = ""
    logo: str = ""
    signimg: str = ""
    cservice: str = ""
    diycode: str = ""
    copyright: str = ""
    credit: str = ""
    credit1: str = ""


@dataclass(frozen=True)
class Goods:
    """The goods whose purchase raises a member to a level."""

    id: int = 0
    title: str = ""
    thumb: str = ""
    price: str = ""


@dataclass(frozen=True)
class ShopLevel:
    """A level of a shop. Members have it if their shared level is its weight."""

    id: int
    weight: int
    level_name: str
    discount: str = ""
    freight_reduction: str = ""
    order_money: str = ""
    order_count: str = ""
    goods: Goods | None = None
    rent_free: str | None = None
    deposit_free: str | None = None


@dataclass(frozen=True)
class Shop:
    """The settings and the levels of a shop; the levels are in no particular order."""

    level_type: str
    shop_set: ShopSet | None = None
    shop_description: str = ""
    no_level_name: str | None = None
    goods_as_array: bool = False
    levels: tuple[ShopLevel, ...] = ()

    def with_level(self, level: ShopLevel) -> "Shop":
        """Adds the level or replaces the one with its id.

        Raises WeightTakenError, LevelsFullError.
        """
        others = [each for each in self.levels if each.id != level.id]
        if any(each.weight == level.weight for each in others):
            raise WeightTakenError
        levels = (*others, level)
        if len(levels) > MAX_LEVELS or sum(map(_text_bytes, levels)) > MAX_LEVEL_TEXT:
            raise LevelsFullError
        return replace(self, levels=levels)


def _text_bytes(level: ShopLevel) -> int:
    values: Iterable[object] = vars(level).values()
    if level.goods is not None:
        values = (*values, *vars(level.goods).values())
    return sum(len(value.encode()) for value in values if value and isinstance(value, str))
