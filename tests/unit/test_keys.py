"""Keys are for ever: what is in a store must be found again, and nobody else's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.store.keys import BUCKETS, all_buckets, bucket_of

TEXT = st.text(min_size=1, max_size=128)


@pytest.mark.parametrize(
    ("user", "bucket"), [("3dfg4df", 808), ("5", 942), ("joe", 347), ("微信用户", 568)]
)
def test_a_users_bucket_never_changes(user: str, bucket: int) -> None:
    assert bucket_of(user).number == bucket


def test_all_keys_of_a_user_lie_on_one_slot() -> None:
    bucket = bucket_of("joe")
    tag = f"lg:{{{bucket.number}}}:"
    for key in (
        bucket.record("joe"),
        bucket.facts("joe"),
        bucket.shop_member("6", "joe"),
        bucket.versions,
        bucket.manual,
        bucket.level_prefix,
    ):
        assert key.startswith(tag)


@given(TEXT, TEXT, TEXT, TEXT)
def test_two_members_never_share_a_key(shop: str, user: str, shop2: str, user2: str) -> None:
    one, other = bucket_of(user).shop_member(shop, user), bucket_of(user2).shop_member(shop2, user2)
    assert (one == other) == ((shop, user) == (shop2, user2))


def test_there_are_1024_buckets() -> None:
    assert len(all_buckets()) == BUCKETS == 1024
