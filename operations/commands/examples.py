"""Three curl calls, one for each family, that work with the demo data."""

import shlex


def examples(gateway: str, token: str, member_token: str) -> list[str]:
    """Lines to print: what each call asks, and its curl command."""
    level = _curl(
        f"{gateway}/upbot/api/CheckUserXYLevel",
        token,
        *("-H", "Content-Type: application/json"),
        *("-d", '{"openid":"3dfg4df","levels":[1,3]}'),
    )
    shop = "addons/yun_shop/api.php?i=6&route=member.member-level.index"
    return [
        "  Does 3dfg4df have level 1 or 3?",
        level,
        "  Raise user 42 to the level that 3200 points earn:",
        _curl(f"{gateway}/userlevel/42?point=3200", token),
        "  Show the shop's levels, and joe's own level, as joe sees them:",
        _curl(f"{gateway}/{shop}", member_token),
    ]


def _curl(url: str, token: str, *options: str) -> str:
    # -w: the answers end without a newline.
    command = ["curl", "-s", "-w", "\\n", url, "-H", f"Authorization: {token}", *options]
    return shlex.join(command)
