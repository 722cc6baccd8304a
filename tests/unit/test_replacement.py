"""A complete set of rules keeps the ids and pictures of the levels that stay."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rules.ladder import Ladder, Rule
from services.rules.replacement import with_ids, with_pictures
from tests.support.ladders import ladders

PRESENT = Ladder([Rule(1, 0, "普通", 0, 500), Rule(6, 5, "黑钻", 3000, 5000, "test")])


@pytest.mark.parametrize(
    ("proposed", "ids", "next_id"),
    [
        ([(0, 0, 500), (5, 3000, 5000)], [1, 6], 7),
        ([(5, 100, 200)], [6], 7),  # another range
        ([(4, 3000, 5000)], [7], 8),  # the same range at another level is another rule
        ([(9, 10, 11), (0, 0, 10), (3, 10, 10)], [1, 7, 8], 9),  # new ids from the lowest level on
    ],
)
def test_a_level_that_stays_keeps_its_id_and_another_gets_a_new_one(
    proposed: list[tuple[int, int, int]], ids: list[int], next_id: int
) -> None:
    rules = [Rule(at, level, "x", down, up) for at, (level, down, up) in enumerate(proposed)]
    ladder, free = with_ids(Ladder(rules), PRESENT, 7)
    assert [rule.id for rule in ladder.rules] == ids
    assert free == next_id


@pytest.mark.parametrize(
    ("level", "picture", "wanted"),
    [
        (5, None, "test"),
        (5, "new", "new"),
        (5, "", ""),  # an empty picture is a picture
        (0, None, None),
        (4, None, None),
    ],
)
def test_a_level_that_stays_keeps_its_picture_unless_it_gets_a_new_one(
    level: int, picture: str | None, wanted: str | None
) -> None:
    proposed = Ladder([Rule(0, level, "x", 0, 1, picture)])
    assert [rule.picture for rule in with_pictures(proposed, PRESENT).rules] == [wanted]


@given(ladders(max_point=60), ladders(max_point=60), st.integers(0, 5))
def test_only_ids_change_and_no_id_is_used_twice(
    present: Ladder, proposed: Ladder, unused: int
) -> None:
    next_id = len(present.rules) + 1 + unused
    ladder, free = with_ids(proposed, present, next_id)
    assert [replace(rule, id=0) for rule in ladder.rules] == [
        replace(rule, id=0) for rule in proposed.rules
    ]
    ids = [rule.id for rule in ladder.rules]
    assert len(set(ids)) == len(ids)
    assert max(ids) < free
    kept = {rule.level: rule.id for rule in present.rules}
    for rule in ladder.rules:
        assert kept.get(rule.level) == rule.id if rule.level in kept else rule.id >= next_id


@given(ladders(max_point=60), ladders(max_point=60))
def test_the_same_rules_again_are_no_change(present: Ladder, proposed: Ladder) -> None:
    next_id = len(present.rules) + 1
    ladder, free = with_ids(with_pictures(proposed, present), present, next_id)
    again, free_again = with_ids(with_pictures(proposed, ladder), ladder, free)
    assert (again.rules, free_again) == (ladder.rules, free)
