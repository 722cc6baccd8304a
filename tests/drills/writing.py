"""Writers that remember the acknowledged writes, and check afterwards that none is lost."""

import threading
from dataclasses import dataclass, field
from typing import Self

import grpc

from levelgate.member.v1 import member_level_pb2 as pb
from levelgate.member.v1.member_level_pb2_grpc import MemberLevelStub

WRITERS = 8
_SECONDS = 5.0


@dataclass
class Writing:
    """Adds one point at a time, each with its own idempotency key, while the block lasts."""

    target: str
    token: str
    acknowledged: dict[str, list[str]] = field(default_factory=dict)
    """By user: the idempotency keys of the writes that were answered."""
    unanswered: dict[str, list[str]] = field(default_factory=dict)
    """By user: those whose caller got no answer."""

    def __enter__(self) -> Self:
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(f"writer-{number}",), daemon=True)
            for number in range(WRITERS)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(3 * _SECONDS)

    @property
    def count(self) -> int:
        return sum(map(len, list(self.acknowledged.values())))

    def _work(self, user: str) -> None:
        self.acknowledged[user], self.unanswered[user] = [], []
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(self.target, options) as channel:
            members = MemberLevelStub(channel)
            self._call(members.InitUser, pb.InitUserRequest(user_id=user))
            number = 0
            while not self._over.wait(0.01):
                number += 1
                bill_no = f"{user}:{number}"
                is_answered = self._add(members, user, bill_no) is not None
                (self.acknowledged if is_answered else self.unanswered)[user].append(bill_no)

    def lost(self) -> int:
        """How many acknowledged points are missing.

        Writes without an answer are sent again; their idempotency keys make them count once.
        """
        missing = 0
        with grpc.insecure_channel(self.target) as channel:
            members = MemberLevelStub(channel)
            for user, bills in self.acknowledged.items():
                for bill_no in self.unanswered[user]:
                    assert self._add(members, user, bill_no) is not None
                last = self._add(members, user, "the last one")
                missing += len(bills) + len(self.unanswered[user]) + 1 - (last or 0)
        return missing

    def _add(self, members: MemberLevelStub, user: str, bill_no: str) -> int | None:
        request = pb.AddPointsRequest(user_id=user, delta=1, bill_no=bill_no)
        reply = self._call(members.AddPoints, request)
        return None if reply is None else int(reply.data.points)

    def _call(self, rpc: object, request: object) -> pb.AddPointsResponse | None:
        metadata = (("authorization", self.token),)
        try:
            return rpc(request, timeout=_SECONDS, metadata=metadata)  # type: ignore[operator,no-any-return]
        except grpc.RpcError:
            return None
