"""The list of services, from which the gateway, the local stack and the tests are derived."""

from typing import NamedTuple


class SuiteService(NamedTuple):
    """A service, which `python -m services.<name>` starts."""

    name: str
    port: int
    """The default port for gRPC."""
    metrics_port: int
    """The default port for /metrics and /healthz."""
    public: tuple[str, ...]
    """The proto services that callers reach through the gateway."""
    internal: tuple[str, ...]
    """The proto services that callers reach only at the service's own port."""
    message_mib: int = 1
    """The largest gRPC message that the gateway passes on, in MiB."""


SUITE = (
    SuiteService(
        "upbot_checks",
        50051,
        9101,
        public=(
            "levelgate.upbot.v1.UpbotChecks",
            "levelgate.upbot.v1.Eligibility",
            "levelgate.access.v1.AccessTokens",
            "levelgate.access.v1.RegisteredApps",
        ),
        internal=("levelgate.upbot.v1.UserFacts",),
        message_mib=4,
    ),
    SuiteService(
        "member_level",
        50052,
        9102,
        public=(
            "levelgate.member.v1.MemberLevel",
            "levelgate.member.v1.MemberHistory",
            "levelgate.member.v1.RuleBooks",
            "levelgate.member.v1.Members",
            "levelgate.member.v1.Demotion",
        ),
        internal=("levelgate.member.v1.MemberBulk",),
    ),
    SuiteService(
        "shop_level",
        50053,
        9103,
        public=("levelgate.shop.v1.ShopLevel",),
        internal=("levelgate.shop.v1.ShopAdmin",),
    ),
)
