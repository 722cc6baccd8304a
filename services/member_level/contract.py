"""The RPCs that member_level serves."""

from levelgate.member.v1 import (
    demotion_pb2,
    member_bulk_pb2,
    member_history_pb2,
    member_level_pb2,
    members_pb2,
    rule_books_pb2,
)
from services.runtime.methods import Contract

CONTRACT = Contract(
    [
        member_level_pb2.DESCRIPTOR.services_by_name["MemberLevel"],
        member_history_pb2.DESCRIPTOR.services_by_name["MemberHistory"],
        rule_books_pb2.DESCRIPTOR.services_by_name["RuleBooks"],
        members_pb2.DESCRIPTOR.services_by_name["Members"],
        demotion_pb2.DESCRIPTOR.services_by_name["Demotion"],
        member_bulk_pb2.DESCRIPTOR.services_by_name["MemberBulk"],
    ],
    long=frozenset(
        {
            "/levelgate.member.v1.MemberLevel/LevelDown",
            "/levelgate.member.v1.MemberLevel/DeleteRule",
            "/levelgate.member.v1.MemberLevel/UpdateRule",
            "/levelgate.member.v1.MemberLevel/PreviewRules",
            "/levelgate.member.v1.RuleBooks/ListRuleVersions",
            "/levelgate.member.v1.Members/CountMembers",
            "/levelgate.member.v1.Members/ListMembers",
            "/levelgate.member.v1.Members/SearchMembers",
            "/levelgate.member.v1.Demotion/PlanDemotion",
            "/levelgate.member.v1.Demotion/ListAtRisk",
        }
    ),
)
