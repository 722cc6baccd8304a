"""Keys never change, and no two users share one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.store.keys import Bucket, Buckets, is_of_this_store_only, user_key

BUCKETS = Buckets()
TEXT = st.text(min_size=1, max_size=128)


@pytest.mark.parametrize(
    ("user", "bucket"), [("3dfg4df", 808), ("5", 942), ("joe", 347), ("微信用户", 568)]
)
def test_a_users_bucket_never_changes(user: str, bucket: int) -> None:
    assert BUCKETS.of(user).number == bucket


def test_all_keys_of_a_user_are_on_one_slot() -> None:
    bucket = BUCKETS.of("joe")
    tag = f"lg:{{{bucket.number}}}:"
    for key in (
        bucket.record("joe"),
        bucket.facts("joe"),
        bucket.shop_profile("6", "joe"),
        bucket.earlier_shop_profile("6", "joe"),
        bucket.versions,
        bucket.protections,
        bucket.level_prefix,
        bucket.manual_prefix,
        bucket.feed,
        bucket.demoted,
        bucket.bill("app", "joe", "1"),
    ):
        assert key.startswith(tag)


@given(TEXT, TEXT, TEXT, TEXT)
def test_two_members_never_share_a_key(shop: str, user: str, shop2: str, user2: str) -> None:
    one, other = (
        BUCKETS.of(user).shop_profile(shop, user),
        BUCKETS.of(user2).shop_profile(shop2, user2),
    )
    assert (one == other) == ((shop, user) == (shop2, user2))


@given(*[st.text(min_size=1, max_size=8)] * 6)
def test_two_idempotency_keys_never_share_a_key(
    a: str, u: str, b: str, a2: str, u2: str, b2: str
) -> None:
    one, other = Bucket(1).bill(a, u, b), Bucket(1).bill(a2, u2, b2)
    assert (one == other) == ((a, u, b) == (a2, u2, b2))


def test_there_are_1024_buckets_by_default() -> None:
    assert [bucket.number for bucket in Buckets().all()] == list(range(1024))


@given(TEXT, st.integers(1, 16_384))
def test_every_user_is_in_one_of_the_buckets(user: str, count: int) -> None:
    assert 0 <= Buckets(count).of(user).number < count


@given(TEXT, TEXT, TEXT, st.integers(1, 16_384))
def test_a_key_of_a_user_is_taken_apart_and_put_together_for_other_buckets(
    user: str, app: str, bill_no: str, count: int
) -> None:
    others = Buckets(count)
    before, after = BUCKETS.of(user), others.of(user)
    for key, moved in (
        (before.record(user), after.record(user)),
        (before.facts(user), after.facts(user)),
        (before.bill(app, user, bill_no), after.bill(app, user, bill_no)),
        (before.shop_profile(app, user), after.shop_profile(app, user)),
        (before.earlier_shop_profile(app, user), after.earlier_shop_profile(app, user)),
    ):
        found = user_key(key)
        assert found is not None
        assert (found.user, found.under(others)) == (user, moved)
        assert not is_of_this_store_only(key)
