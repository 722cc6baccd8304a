"""Random conditions for property tests, on few levels, stars and facts, so that they often hold."""

from hypothesis import strategies as st

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
from services.user_facts.fact import ANDROID, IOS, GameKey, Star

LEVELS = (0, 1, 3)
STARS = (Star(1, ANDROID), Star(1, IOS), Star(2, IOS))
KEY = GameKey("cfm", "1", "2", "0", "bbb", 1)

comparisons = st.tuples(st.sampled_from(CompareType), st.integers(-1, 12), st.integers(0, 12)).map(
    lambda drawn: Comparison(drawn[0], min(drawn[1:]), max(drawn[1:]))
)
_leaves: st.SearchStrategy[Condition] = st.one_of(
    st.sets(st.sampled_from(LEVELS), min_size=1).map(lambda levels: LevelIn(frozenset(levels))),
    st.integers(0, 4).map(LevelAtLeast),
    comparisons.map(Points),
    st.sets(st.sampled_from(STARS), min_size=1).map(lambda stars: AnyStar(frozenset(stars))),
    st.builds(GameInfo, st.just(KEY), st.just(frozenset({"x"})), st.none()),
    st.builds(GameInfo, st.just(KEY), st.just(frozenset()), comparisons),
)
conditions: st.SearchStrategy[Condition] = st.recursive(
    _leaves,
    lambda parts: st.one_of(
        st.lists(parts, min_size=1, max_size=3).map(lambda several: All(tuple(several))),
        st.lists(parts, min_size=1, max_size=3).map(lambda several: AnyOf(tuple(several))),
        parts.map(Not),
    ),
    max_leaves=6,
)
