"""The calls on what became of a member's level, and the stream of all changes."""

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import grpc

from levelgate.member.v1 import member_history_pb2 as pb
from levelgate.member.v1.member_history_pb2_grpc import MemberHistoryServicer
from services.member_level import failures
from services.member_level.cursors import CursorError, read_watch_cursor, watch_cursor
from services.member_level.messages import (
    SUCCESS,
    change_message,
    milliseconds_of,
    state_message,
)
from services.user_state.feed import Feed, FeedGapError, UserChange
from services.user_state.history import Change, State, changes_of
from services.user_state.record import Record
from services.user_state.state import UserState

# Changes that one message of a watch brings, about.
_CHANGES_PER_MESSAGE = 1_000


class MemberHistory(MemberHistoryServicer):
    """levelgate.member.v1.MemberHistory, call by call."""

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
            complete=_is_complete(changes),
        )
        return pb.ListHistoryResponse(code=SUCCESS, data=data)

    def GetLevelAt(
        self, request: pb.GetLevelAtRequest, _context: grpc.ServicerContext
    ) -> pb.GetLevelAtResponse:
        changes = changes_of(self._record(request.user_id))
        asked = milliseconds_of(request.time)
        since = next((change for change in changes if change.milliseconds <= asked), None)
        if since is None:
            oldest = _written(changes[-1].milliseconds) if changes else "now"
            if _is_complete(changes):
                raise failures.not_yet_a_member(oldest)
            raise failures.history_too_short(oldest)
        change = change_message(since)
        data = pb.LevelAt(state=change.to, version=since.version, since=change)
        return pb.GetLevelAtResponse(code=SUCCESS, data=data)

    def WatchLevels(
        self, request: pb.WatchLevelsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.WatchLevelsResponse]:
        told = self._start(request.cursor)
        if not request.cursor:
            yield pb.WatchLevelsResponse(cursor=watch_cursor(told))
        while context.is_active():
            changes = self._next(told)
            if changes:
                yield pb.WatchLevelsResponse(
                    changes=map(_member_change, changes), cursor=watch_cursor(told)
                )
            elif self._stopping.wait(self._watch_seconds):
                raise failures.going_down()

    def _start(self, cursor: str) -> list[int]:
        versions = self._feed.versions()
        if not cursor:
            return versions
        try:
            told = read_watch_cursor(cursor, self._feed.buckets.count)
        except CursorError:
            raise failures.cursor_invalid() from None
        if any(ours < theirs for ours, theirs in zip(versions, told, strict=True)):
            raise failures.cursor_invalid()
        return told

    def _next(self, told: list[int]) -> Sequence[UserChange]:
        """The next changes behind `told`, which is moved along with them."""
        changes: list[UserChange] = []
        versions = self._feed.versions()
        for bucket in self._feed.buckets.all():
            number = bucket.number
            if versions[number] <= told[number] or len(changes) >= _CHANGES_PER_MESSAGE:
                continue
            try:
                found = self._feed.page(bucket, told[number], _CHANGES_PER_MESSAGE)
            except FeedGapError:
                raise failures.cursor_expired() from None
            if not found:
                raise failures.cursor_expired()
            changes += found
            told[number] = found[-1].change.version
        return changes

    def _record(self, user: str) -> Record:
        record = self._users.get(user)
        if record is None:
            raise failures.user_not_found()
        return record


def _is_complete(changes: Sequence[Change]) -> bool:
    return bool(changes) and changes[-1].before is None


def _member_change(found: UserChange) -> pb.MemberChange:
    return pb.MemberChange(user_id=found.user, change=change_message(found.change))


def _written(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1_000, UTC).isoformat(timespec="milliseconds")
