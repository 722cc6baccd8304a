"""Three calls to copy, one of each family, that work on the demo data."""

import shlex


def examples(gateway: str, token: str, member_token: str) -> list[str]:
    """Lines to print: what each call asks, and its curl command."""
    level = _curl(
        f"{gateway}/upbot/api/CheckUserXYLevel",
        token,
        *("-H", "Content-Type: application/json"),
        *("-d", '{"openid":"3dfg4df","level":[1,3]}'),
    )
    shop = "addons/yun_shop/api.php?i=6&route=member.member-level.index"
    return [
        "  Is 3dfg4df of level 1 or 3?",
        level,
        "  Raise user 42 to the level of 3200 points:",
        _curl(f"{gateway}/userlevel/42?point=3200", token),
        "  The shop's levels, as the member joe sees them:",
        _curl(f"{gateway}/{shop}", member_token),
    ]


def _curl(url: str, token: str, *options: str) -> str:
    return shlex.join(["curl", "-s", url, "-H", f"Authorization: {token}", *options])
