"""`python -m bench.calls`: how many scripts and commands the store runs for each call.

Every call is made a hundred times on a real service with the demo data. The store counts.
"""

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from bench.processes import Bench, running
from levelgate.member.v1 import demotion_pb2 as demotion_pb
from levelgate.member.v1 import member_history_pb2 as history_pb
from levelgate.member.v1 import member_level_pb2 as pb
from levelgate.member.v1 import members_pb2
from levelgate.member.v1.demotion_pb2_grpc import DemotionStub
from levelgate.member.v1.member_history_pb2_grpc import MemberHistoryStub
from levelgate.member.v1.member_level_pb2_grpc import MemberLevelStub
from levelgate.member.v1.members_pb2_grpc import MembersStub

TIMES = 100
USER = "3dfg4df"
LATER = Timestamp(seconds=4_000_000_000)
# Commands that the service sends outside of calls, to probe the store.
_BESIDE = {"ping", "info", "hello", "client|setinfo", "client|setname"}


def calls(bench: Bench) -> Mapping[str, tuple[Any, Callable[[int], Message]]]:
    """The method and the request of each call."""
    members: Any = MemberLevelStub(bench.channel)
    history: Any = MemberHistoryStub(bench.channel)
    demotion: Any = DemotionStub(bench.channel)
    finding: Any = MembersStub(bench.channel)
    show = pb.ShowUserRequest(user_id=USER)
    manual = pb.UpdateUserRequest(user_id=USER, vip_level=2, partner_id="p")
    preview = pb.PreviewRulesRequest(rules=[pb.ProposedRule(vip_level=1, down_point=0, up_point=5)])
    listed = history_pb.ListHistoryRequest(user_id=USER)
    at = history_pb.GetLevelAtRequest(user_id=USER, time=LATER)
    plan = demotion_pb.PlanDemotionRequest(sample_size=0)
    at_risk = demotion_pb.ListAtRiskRequest(points=1)
    return {
        "InitUser": (members.InitUser, lambda n: pb.InitUserRequest(user_id=f"u{n}")),
        "UpgradeUser": (
            members.UpgradeUser,
            lambda n: pb.UpgradeUserRequest(user_id=USER, point=n),
        ),
        "AddPoints": (
            members.AddPoints,
            lambda n: pb.AddPointsRequest(user_id=USER, delta=1, bill_no=f"{n}"),
        ),
        "UpdateUser": (members.UpdateUser, lambda _n: manual),
        "ShowUser": (members.ShowUser, lambda _n: show),
        "ListHistory": (history.ListHistory, lambda _n: listed),
        "GetLevelAt": (history.GetLevelAt, lambda _n: at),
        "PreviewRules": (members.PreviewRules, lambda _n: preview),
        "PlanDemotion": (demotion.PlanDemotion, lambda _n: plan),
        "ListAtRisk": (demotion.ListAtRisk, lambda _n: at_risk),
        "CountMembers": (finding.CountMembers, lambda _n: members_pb2.CountMembersRequest()),
        "ListMembers": (finding.ListMembers, lambda _n: members_pb2.ListMembersRequest(level=3)),
        "SearchMembers": (
            finding.SearchMembers,
            lambda _n: members_pb2.SearchMembersRequest(prefix="~"),
        ),
        "GetMember": (finding.GetMember, lambda _n: members_pb2.GetMemberRequest(user_id=USER)),
        "DeleteUser": (members.DeleteUser, lambda n: pb.DeleteUserRequest(user_id=f"u{n}")),
    }


def counted(bench: Bench) -> tuple[int, int]:
    """The scripts, and all commands including those inside scripts."""
    statistics: dict[str, Any] = bench.redis.info("commandstats")
    numbers = {
        name.removeprefix("cmdstat_"): int(each["calls"]) for name, each in statistics.items()
    }
    everything = sum(number for name, number in numbers.items() if name not in _BESIDE)
    scripts = numbers.get("evalsha", 0) + numbers.get("eval", 0)
    return scripts, everything


def main() -> int:
    sys.stdout.write(f"{'call':<14} {'scripts':>8} {'commands':>9}   (a call, on average)\n")
    with tempfile.TemporaryDirectory() as directory, running(Path(directory)) as bench:
        for name, (call, request) in calls(bench).items():
            before = counted(bench)
            for number in range(TIMES):
                call(request(number), metadata=bench.metadata)
            after = counted(bench)
            scripts, commands = ((b - a) / TIMES for a, b in zip(before, after, strict=True))
            sys.stdout.write(f"{name:<14} {scripts:>8.1f} {commands:>9.1f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
