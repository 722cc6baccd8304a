"""Ladders for property-based tests."""

from hypothesis import strategies as st

from services.rules.ladder import Ladder, Rule

MAX_POINT = 2**31 - 1


@st.composite
def ladders(draw: st.DrawFn, max_point: int = MAX_POINT) -> Ladder:
    """Any ladder of 1-8 rules, with and without gaps."""
    count = draw(st.integers(1, 8))
    levels = sorted(draw(st.sets(st.integers(0, 50), min_size=count, max_size=count)))
    bounds = sorted(draw(st.sets(st.integers(0, max_point), min_size=count + 1, max_size=17)))
    rules = []
    for index, level in enumerate(levels):
        # Neighbouring bounds touch; leaving some out makes gaps.
        down = bounds[index]
        up = draw(st.integers(down + 1, bounds[index + 1]))
        rules.append(Rule(index + 1, level, f"level {level}", down, up))
    return Ladder(rules)
