"""Converts between the domain and the messages that several RPCs share."""

from google.protobuf.timestamp_pb2 import Timestamp

from levelgate.member.v1 import demotion_pb2, member_bulk_pb2
from levelgate.member.v1 import member_history_pb2 as history_pb2
from services.member_level.preview import Move
from services.user_state.history import Change, Kind, State, changes_of
from services.user_state.record import Record, Source

# The value of `code`, and of most `data`, in the member family.
SUCCESS = "success"


def timestamp(milliseconds: int) -> Timestamp:
    """The timestamp of milliseconds since 1970."""
    return Timestamp(seconds=milliseconds // 1_000, nanos=milliseconds % 1_000 * 1_000_000)


def milliseconds_of(time: Timestamp) -> int:
    """Milliseconds since 1970; fractions are dropped."""
    return time.seconds * 1_000 + time.nanos // 1_000_000


def move_message(move: Move) -> demotion_pb2.Move:
    return demotion_pb2.Move(
        from_level=move.from_level, to_level=move.to_level, members=move.members
    )


def state_message(state: State) -> history_pb2.LevelState:
    return history_pb2.LevelState(
        level=state.level, points=state.points, by_hand=state.source is Source.MANUAL
    )


def change_message(change: Change) -> history_pb2.Change:
    return history_pb2.Change(
        version=change.version,
        time=timestamp(change.milliseconds),
        kind=history_pb2.ChangeKind.ValueType(change.kind),
        **{"from": None if change.before is None else state_message(change.before)},
        to=None if change.after is None else state_message(change.after),
        app=change.app,
        partner_id=change.partner,
        rule_id=change.rule or None,
        rule_version=change.rule_version if change.rule else None,
        previous_version=change.previous_version,
    )


def change_of(message: history_pb2.Change) -> Change:
    before = getattr(message, "from")
    return Change(
        version=message.version,
        milliseconds=milliseconds_of(message.time),
        kind=Kind(message.kind),
        before=_state_of(before) if message.HasField("from") else None,
        after=_state_of(message.to) if message.HasField("to") else None,
        previous_version=message.previous_version,
        app=message.app,
        partner=message.partner_id,
        rule=message.rule_id,
        rule_version=message.rule_version,
    )


def row_message(user: str, record: Record, *, with_history: bool) -> member_bulk_pb2.UserRow:
    is_manual = record.source is Source.MANUAL
    changes = changes_of(record) if with_history else ()
    return member_bulk_pb2.UserRow(
        user_id=user,
        points=record.points,
        level=record.level,
        by_hand=is_manual,
        partner_id=record.partner,
        protected_until=Timestamp(seconds=record.protected_until) if is_manual else None,
        version=record.version,
        history=map(change_message, changes),
    )


def _state_of(message: history_pb2.LevelState) -> State:
    source = Source.MANUAL if message.by_hand else Source.EARNED
    return State(message.level, message.points, source)
