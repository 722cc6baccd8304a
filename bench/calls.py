"""`python -m bench.calls`: how many scripts and commands the store runs for each call.

Every call is made a hundred times on a real service with the demo data. The store counts.
"""

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from bench.processes import Bench, running
from levelgate.member.v1 import demotion_pb2, member_history_pb2, member_level_pb2, members_pb2
from levelgate.member.v1.demotion_pb2_grpc import DemotionStub
from levelgate.member.v1.member_history_pb2_grpc import MemberHistoryStub
from levelgate.member.v1.member_level_pb2_grpc import MemberLevelStub
from levelgate.member.v1.members_pb2_grpc import MembersStub

TIMES = 100
USER = "3dfg4df"
LATER = Timestamp(seconds=4_000_000_000)
# Commands that the service sends outside of calls, to probe the store.
_BESIDE = {"ping", "info", "hello", "client|setinfo", "client|setname"}


def calls(bench: Bench) -> Mapping[str, Callable[[int], object]]:
    members = MemberLevelStub(bench.channel)
    history, demotion = MemberHistoryStub(bench.channel), DemotionStub(bench.channel)
    finding = MembersStub(bench.channel)
    pb = member_level_pb2
    along: Any = {"metadata": bench.metadata}
    rules = [pb.ProposedRule(vip_level=1, down_point=0, up_point=5)]
    at = member_history_pb2.GetLevelAtRequest(user_id=USER, time=LATER)
    return {
        "InitUser": lambda n: members.InitUser(pb.InitUserRequest(user_id=f"u{n}"), **along),
        "UpgradeUser": lambda n: members.UpgradeUser(
            pb.UpgradeUserRequest(user_id=USER, point=n), **along
        ),
        "AddPoints": lambda n: members.AddPoints(
            pb.AddPointsRequest(user_id=USER, delta=1, bill_no=f"{n}"), **along
        ),
        "UpdateUser": lambda _n: members.UpdateUser(
            pb.UpdateUserRequest(user_id=USER, vip_level=2, partner_id="p"), **along
        ),
        "ShowUser": lambda _n: members.ShowUser(pb.ShowUserRequest(user_id=USER), **along),
        "ListHistory": lambda _n: history.ListHistory(
            member_history_pb2.ListHistoryRequest(user_id=USER), **along
        ),
        "GetLevelAt": lambda _n: history.GetLevelAt(at, **along),
        "PreviewRules": lambda _n: members.PreviewRules(
            pb.PreviewRulesRequest(rules=rules), **along
        ),
        "PlanDemotion": lambda _n: demotion.PlanDemotion(
            demotion_pb2.PlanDemotionRequest(sample_size=0), **along
        ),
        "ListAtRisk": lambda _n: demotion.ListAtRisk(
            demotion_pb2.ListAtRiskRequest(points=1), **along
        ),
        "CountMembers": lambda _n: finding.CountMembers(members_pb2.CountMembersRequest(), **along),
        "ListMembers": lambda _n: finding.ListMembers(
            members_pb2.ListMembersRequest(level=3), **along
        ),
        "SearchMembers": lambda _n: finding.SearchMembers(
            members_pb2.SearchMembersRequest(prefix="~"), **along
        ),
        "GetMember": lambda _n: finding.GetMember(
            members_pb2.GetMemberRequest(user_id=USER), **along
        ),
        "DeleteUser": lambda n: members.DeleteUser(pb.DeleteUserRequest(user_id=f"u{n}"), **along),
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
        for name, call in calls(bench).items():
            before = counted(bench)
            for number in range(TIMES):
                call(number)
            after = counted(bench)
            scripts, commands = ((b - a) / TIMES for a, b in zip(before, after, strict=True))
            sys.stdout.write(f"{name:<14} {scripts:>8.1f} {commands:>9.1f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
