"""A complete set of rules that replaces the present one: which ids and pictures it gets."""

from collections.abc import Mapping
from dataclasses import replace

from services.rules.ladder import Ladder, Rule


def with_pictures(proposed: Ladder, present: Ladder) -> Ladder:
    """The proposed rules; one without a picture gets the present picture of its level."""
    rules = _by_level(present)
    return Ladder(
        replace(rule, picture=rules[rule.level].picture)
        if rule.picture is None and rule.level in rules
        else rule
        for rule in proposed.rules
    )


def with_ids(proposed: Ladder, present: Ladder, next_id: int) -> tuple[Ladder, int]:
    """The proposed rules with ids, and the next free id.

    A level that has a rule now keeps the rule's id, because clients address rules by id. Other
    levels get new ids, lower levels first: an id of the past could still be in use by a client.
    """
    rules = _by_level(present)
    found = []
    for rule in proposed.rules:
        if rule.level in rules:
            found.append(replace(rule, id=rules[rule.level].id))
        else:
            found.append(replace(rule, id=next_id))
            next_id += 1
    return Ladder(found), next_id


def _by_level(ladder: Ladder) -> Mapping[int, Rule]:
    return {rule.level: rule for rule in ladder.rules}
