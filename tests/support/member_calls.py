"""Calls of member_level for tests."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from levelgate.member.v1 import demotion_pb2, member_bulk_pb2, member_history_pb2, member_level_pb2
from levelgate.member.v1.demotion_pb2_grpc import DemotionStub
from levelgate.member.v1.member_bulk_pb2_grpc import MemberBulkStub
from levelgate.member.v1.member_history_pb2_grpc import MemberHistoryStub
from tests.support.service import Service

Row = member_bulk_pb2.UserRow


def watched(service: Service, cursor: str, count: int) -> tuple[list[Any], str]:
    """At least `count` changes after the cursor, and the cursor after them."""
    request = member_history_pb2.WatchLevelsRequest(cursor=cursor)
    stream = MemberHistoryStub(service.channel).WatchLevels(
        request, timeout=20, metadata=service.metadata
    )
    changes: list[Any] = []
    for message in stream:
        changes += message.changes
        cursor = message.cursor
        if len(changes) >= count:
            break
    stream.cancel()
    return changes, cursor


def upgrade(service: Service, user: str, point: int) -> None:
    request = member_level_pb2.UpgradeUserRequest(user_id=user, point=point)
    service.members.UpgradeUser(request, timeout=5, metadata=service.metadata)


def import_rows(service: Service, rows: Sequence[Row]) -> member_bulk_pb2.ImportUsersResponse:
    messages = [
        member_bulk_pb2.ImportUsersRequest(users=rows[n : n + 500])
        for n in range(0, len(rows), 500)
    ]
    return MemberBulkStub(service.channel).ImportUsers(
        iter(messages), timeout=60, metadata=service.metadata
    )


def exported(service: Service, **options: Any) -> list[Row]:
    request = member_bulk_pb2.ExportUsersRequest(**options)
    stream = MemberBulkStub(service.channel).ExportUsers(
        request, timeout=60, metadata=service.metadata
    )
    return [row for message in stream for row in message.users]


def failure(call: Callable[[], object]) -> tuple[str, str, str]:
    """The code, the reason and the first field of a call that fails."""
    with pytest.raises(grpc.RpcError) as raised:
        call()
    status = rpc_status.from_call(cast(grpc.Call, raised.value))
    assert status is not None
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(request)
    field = request.field_violations[0].field if request.field_violations else ""
    return raised.value.code().name, info.reason, field


def plan(service: Service, **options: Any) -> demotion_pb2.DemotionPlan:
    request = demotion_pb2.PlanDemotionRequest(**options)
    return (
        DemotionStub(service.channel)
        .PlanDemotion(request, timeout=20, metadata=service.metadata)
        .data
    )


def run(service: Service, plan_id: str) -> list[Any]:
    request = demotion_pb2.RunDemotionRequest(plan_id=plan_id)
    return list(
        DemotionStub(service.channel).RunDemotion(request, timeout=60, metadata=service.metadata)
    )


DONE = demotion_pb2.RunDemotionResponse.STATE_DONE


def due(count: int) -> list[Row]:
    """Members at level 3 whose points earn level 1."""
    return [Row(user_id=f"due-{number}", points=600, level=3) for number in range(count)]
