"""How shops and profiles are stored: as JSON documents, independent of the RPC contract.

A new field needs a default value, so that documents without it can still be read. An instance that
does not know a field ignores it, and loses it when it replaces the document. Any other change needs
a new FORMAT and code that reads the old one.
"""

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from services.shop_level.shop import Goods, Profile, Shop, ShopLevel, ShopSet

FORMAT = 1

_Built = TypeVar("_Built")


class UnknownFormatError(Exception):
    """The document was written by a newer release that changed the format."""


def pack_shop(shop: Shop) -> bytes:
    return _packed(vars(shop))


@lru_cache(maxsize=32)  # a shop rarely changes, and parsing it takes 30 us
def unpack_shop(packed: bytes) -> Shop:
    """Raises UnknownFormatError."""
    values = _unpacked(packed)
    shop_set = values["shop_set"]
    levels = tuple(map(_level, values["levels"]))
    return _known(
        Shop,
        values,
        shop_set=None if shop_set is None else _known(ShopSet, shop_set),
        levels=levels,
    )


def pack_profile(profile: Profile) -> bytes:
    return _packed(profile._asdict())


def unpack_profile(packed: bytes) -> Profile:
    """Raises UnknownFormatError."""
    return _known(Profile, _unpacked(packed))


def _level(values: Mapping[str, Any]) -> ShopLevel:
    goods = values["goods"]
    return _known(ShopLevel, values, goods=None if goods is None else _known(Goods, goods))


def _known(kind: type[_Built], values: Mapping[str, Any], **nested: object) -> _Built:
    """Builds an object from the values of the fields that it has."""
    build: Callable[..., _Built] = kind
    known = kind.__annotations__
    if not values.keys() <= known.keys():
        values = {name: value for name, value in values.items() if name in known}
    return build(**{**values, **nested})


def _packed(values: Mapping[str, Any]) -> bytes:
    document = {"format": FORMAT, **values}
    # `default` is called for the nested dataclasses. dataclasses.asdict takes four times as long.
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=vars)
    return text.encode()


def _unpacked(packed: bytes) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(packed)
    if values["format"] != FORMAT:
        raise UnknownFormatError(f"format {values['format']}")
    return values
