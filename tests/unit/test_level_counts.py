"""The counts of the members of each level, from the counts of the buckets."""

from services.member_level.level_counts import LevelCount, counts, question
from services.store.keys import Bucket
from services.user_state.indexes import Counted

LEVELS = [0, 3, 7]


def test_a_count_has_the_earned_and_manual_members_of_all_buckets() -> None:
    found = [Counted(Bucket(0), 0, [(0, 5), (3, 2)]), Counted(Bucket(9), 1, [(0, 1), (2, 4)])]
    assert counts(LEVELS, found) == [
        LevelCount(0, 6, 0),
        LevelCount(3, 6, 2),
        LevelCount(7, 0, 0),
    ]


def test_a_question_has_two_stretches_for_each_level() -> None:
    assert question(LEVELS).first_stretches == list(range(2 * len(LEVELS) + 1))
    assert question([]).ranges == 0
