"""The RPCs on the history of a member's level, and the stream of all changes."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import grpc

from levelgate.member.v1 import member_history_pb2 as pb
from levelgate.member.v1.member_history_pb2_grpc import MemberHistoryServicer
from services.member_level import failures
from services.member_level.messages import (
    SUCCESS,
    change_message,
    milliseconds_of,
    state_message,
)
from services.member_level.watch import Watch
from services.user_state.feed import Feed, UserChange
from services.user_state.history import State, changes_of, is_complete
from services.user_state.record import Record
from services.user_state.state import UserState


class MemberHistory(MemberHistoryServicer):
    """Implements levelgate.member.v1.MemberHistory."""

    def __init__(
        self,
        users: UserState,
        feed: Feed,
        *,
        watch_seconds: float,
        stopping: threading.Event,
    ) -> None:
        self._users = users
        self._feed = feed
        self._watch_seconds = watch_seconds
        self._stopping = stopping

    def ListHistory(
        self, request: pb.ListHistoryRequest, _context: grpc.ServicerContext
    ) -> pb.ListHistoryResponse:
        record = self._record(request.user_id)
        changes = changes_of(record)
        data = pb.History(
            version=record.version,
            current=state_message(State(record.level, record.points, record.source)),
            changes=map(change_message, changes),
            complete=is_complete(changes),
        )
        return pb.ListHistoryResponse(code=SUCCESS, data=data)

    def GetLevelAt(
        self, request: pb.GetLevelAtRequest, _context: grpc.ServicerContext
    ) -> pb.GetLevelAtResponse:
        changes = changes_of(self._record(request.user_id))
        asked = milliseconds_of(request.time)
        since = next((change for change in changes if change.milliseconds <= asked), None)
        if since is None:
            oldest = _iso(changes[-1].milliseconds) if changes else "now"
            if is_complete(changes):
                raise failures.not_yet_a_member(oldest)
            raise failures.history_too_short(oldest)
        change = change_message(since)
        data = pb.LevelAt(state=change.to, version=since.version, since=change)
        return pb.GetLevelAtResponse(code=SUCCESS, data=data)

    def WatchLevels(
        self, request: pb.WatchLevelsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.WatchLevelsResponse]:
        watch = Watch(self._feed, request.cursor)
        if not request.cursor:
            yield pb.WatchLevelsResponse(cursor=watch.cursor)
        while context.is_active():
            changes, is_more = watch.read()
            if changes:
                yield pb.WatchLevelsResponse(
                    changes=map(_member_change, changes), cursor=watch.cursor
                )
            if self._stopping.wait(0 if is_more else self._watch_seconds):
                raise failures.shutting_down()

    def _record(self, user: str) -> Record:
        record = self._users.get(user)
        if record is None:
            raise failures.user_not_found()
        return record


def _member_change(found: UserChange) -> pb.MemberChange:
    return pb.MemberChange(user_id=found.user, change=change_message(found.change))


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1_000, UTC).isoformat(timespec="milliseconds")
