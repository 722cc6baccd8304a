"""Explanations, compared with ones that are built field by field for one user."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from levelgate.upbot.v1 import eligibility_pb2 as pb
from levelgate.upbot.v1.upbot_checks_pb2 import CompareInfo
from services.rules.ladder import Ladder, Rule
from services.upbot_checks.eligibility.condition import (
    All,
    AnyOf,
    Condition,
    LevelAtLeast,
    LevelIn,
    Snapshot,
)
from services.upbot_checks.eligibility.explanations import Explanations
from services.upbot_checks.eligibility.parse import parse_condition
from services.user_facts.fact import ANDROID, IOS, GameFact, GameKey, Star
from tests.support.ladders import ladders

KEYS = [GameKey("cfm", "1", "2", "0", "bbb", number) for number in range(2)]
RULES = Ladder([Rule(1, 0, "", 0, 10), Rule(2, 1, "", 10, 20), Rule(3, 3, "", 20, 30)])

small = st.integers(0, 4)
stars = st.builds(Star, small, st.sampled_from([ANDROID, IOS]))
comparisons = st.builds(
    lambda kind, value, more: CompareInfo(compare_type=kind, value=value, rvalue=value + more),
    st.integers(1, 6),
    small,
    small,
)


def game_info(key: GameKey, codes: list[str], compare: CompareInfo) -> pb.Condition:
    info = pb.GameInfoIs(**key._asdict(), xinyue_codes=codes, compare_info=compare)
    return pb.Condition(game_info=info)


def all_of(parts: list[pb.Condition]) -> pb.Condition:
    return pb.Condition(all=pb.ConditionList(conditions=parts))


def any_of(parts: list[pb.Condition]) -> pb.Condition:
    return pb.Condition(any=pb.ConditionList(conditions=parts))


leaves = st.one_of(
    st.builds(
        lambda levels: pb.Condition(level_in=pb.LevelIn(levels=levels)),
        st.lists(small, min_size=1, max_size=3),
    ),
    st.builds(lambda level: pb.Condition(level_at_least=level), small),
    st.builds(lambda compare: pb.Condition(points=compare), comparisons),
    st.builds(
        lambda gids, device: pb.Condition(star=pb.StarLit(gids=gids, device=device)),
        st.lists(small, min_size=1, max_size=3),
        st.none() | st.sampled_from([ANDROID, IOS]),
    ),
    st.builds(
        game_info,
        st.sampled_from(KEYS),
        st.lists(st.sampled_from(["a", "b"]), max_size=2),
        comparisons,
    ),
)
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda part: pb.Condition(negated=part), inner),
        st.builds(all_of, st.lists(inner, min_size=1, max_size=4)),
        st.builds(any_of, st.lists(inner, min_size=1, max_size=4)),
    ),
    max_leaves=10,
)
facts = st.builds(GameFact, st.none() | st.sampled_from(["a", "b"]), st.none() | small)
known_facts = st.dictionaries(st.sampled_from(KEYS), facts)
members = st.builds(Snapshot, small, st.integers(0, 40), small, st.frozensets(stars), known_facts)
# Users without a level may nevertheless have facts.
strangers = st.builds(
    Snapshot, st.none(), st.just(0), st.just(0), st.frozensets(stars), known_facts
)


def naive(
    message: pb.Condition, condition: Condition, user: Snapshot, ladder: Ladder, field: str
) -> Iterator[pb.UnmetCondition]:
    if condition.holds(user):
        return
    if isinstance(condition, All | AnyOf):
        kind = "all" if isinstance(condition, All) else "any"
        parts = getattr(message, kind).conditions
        for number, (part, inner) in enumerate(zip(parts, condition.parts, strict=True)):
            yield from naive(part, inner, user, ladder, f"{field}.{kind}.conditions[{number}]")
        return
    needs = condition.needs()
    has = pb.UserHas()
    if needs.level and user.level is not None:
        has.level, has.points = user.level, user.points
    for star in sorted(user.lit, key=lambda star: (star.gid, star.device)):
        if star in needs.stars:
            has.stars.add(gid=star.gid, device=star.device)
    for key in KEYS:
        if key in needs.games and key in user.games:
            fact = user.games[key]
            has.game_infos.add(**key._asdict(), code=fact.code, number=fact.number)
    yield pb.UnmetCondition(
        field=field, asked=message, has=has, points_missing=missing(condition, user, ladder)
    )


def missing(condition: Condition, user: Snapshot, ladder: Ladder) -> int | None:
    least = []
    for rule in ladder.rules:
        is_asked_for = isinstance(condition, LevelIn | LevelAtLeast) and condition.holds(
            Snapshot(level=rule.level)
        )
        if is_asked_for and (user.level is None or rule.level > user.level):
            least.append(max(0, rule.down_point - user.points))
    return min(least) if least else None


@given(conditions, st.lists(members | strangers, min_size=1, max_size=6), ladders())
def test_an_explanation_equals_the_one_built_field_by_field_to_the_byte(
    message: pb.Condition, users: list[Snapshot], ladder: Ladder
) -> None:
    condition = parse_condition(message)
    explanations = Explanations(message, condition, ladder)
    # Twice, because the message of one user is cached for the next.
    for user in users * 2:
        wanted = pb.Explanation(unmet=naive(message, condition, user, ladder, "condition"))
        assert explanations.of(user) == wanted.SerializeToString()
        assert len(wanted.SerializeToString()) <= explanations.largest()


def test_no_explanation_exceeds_its_bound() -> None:
    long = "🎮" * 128
    keys = [GameKey(long, long, long, long, long, -number) for number in range(1, 5)]
    parts = [
        *(game_info(key, [long] * 3, CompareInfo(compare_type=1, value=-1)) for key in keys),
        pb.Condition(star=pb.StarLit(gids=range(-100, 0))),
        pb.Condition(level_at_least=2**31 - 1),
    ]
    facts = {key: GameFact(long, -(2**63)) for key in keys}
    levels = Ladder([Rule(1, 2**31 - 1, "", 2**31 - 2, 2**31 - 1)])
    lit = frozenset(Star(gid, device) for gid in range(-100, 0) for device in (ANDROID, IOS))
    for each in (all_of(parts), any_of(parts), pb.Condition(negated=any_of(parts))):
        explanations = Explanations(each, parse_condition(each), levels)
        sizes = [
            len(explanations.of(user))
            for user in (Snapshot(2**31 - 2, games=facts), Snapshot(0, lit=lit, games=facts))
        ]
        # The bound is not much larger than the largest possible explanation.
        assert 0.95 * explanations.largest() < max(sizes) <= explanations.largest()


def test_no_points_are_missing_if_they_already_earn_the_level() -> None:
    message = pb.Condition(level_at_least=3)
    explanations = Explanations(message, parse_condition(message), RULES)

    def points_missing(level: int, points: int) -> int:
        return the_only_leaf(explanations.of(Snapshot(level, points))).points_missing

    assert points_missing(1, 12) == 8
    assert points_missing(1, 25) == 0


def test_the_facts_of_one_leaf_have_a_fixed_order() -> None:
    keys = [KEYS[0]._replace(game_check_info_id=number) for number in range(20)]
    compare = CompareInfo(compare_type=5, value=0)
    message = pb.Condition(negated=all_of([game_info(key, [], compare) for key in keys]))
    user = Snapshot(games={key: GameFact(None, 1) for key in reversed(keys)})
    explained = Explanations(message, parse_condition(message), RULES).of(user)
    facts = the_only_leaf(explained).has.game_infos
    assert [fact.game_check_info_id for fact in facts] == list(range(20))


def the_only_leaf(explained: bytes) -> pb.UnmetCondition:
    (part,) = pb.Explanation.FromString(explained).unmet
    return part


def test_users_that_all_differ_do_not_fill_the_memory() -> None:
    message = pb.Condition(level_at_least=9)
    explanations = Explanations(message, parse_condition(message), RULES)
    written = {explanations.of(Snapshot(1, points)) for points in range(1_000)}
    assert len(written) == 1_000
    (leaf,) = explanations._unmet(Snapshot(1, 0))
    assert len(leaf._cached) <= 100
