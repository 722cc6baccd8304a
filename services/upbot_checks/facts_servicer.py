"""The RPCs that maintain the facts that the checks read. They are not on the gateway."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from levelgate.access.v1.reason_pb2 import REASON_LIMIT_REACHED
from levelgate.upbot.v1 import user_facts_pb2 as pb
from levelgate.upbot.v1.user_facts_pb2_grpc import UserFactsServicer
from services.runtime.errors import Failure, Violation
from services.runtime.validation import Validator, json_path
from services.upbot_checks.game_keys import game_key
from services.user_facts.fact import GameFact, GameKey, Star
from services.user_facts.fact_store import MOST_FACTS, FactsFullError, FactStore

# Rejected facts that the reply describes; the rest are only counted, to limit its size.
MAX_REJECTS = 1_000


class UserFacts(UserFactsServicer):
    """Implements levelgate.upbot.v1.UserFacts."""

    def __init__(self, facts: FactStore, validator: Validator) -> None:
        self._facts = facts
        self._validator = validator

    def PutStarState(
        self, request: pb.PutStarStateRequest, _context: grpc.ServicerContext
    ) -> pb.PutStarStateResponse:
        self._put_star(request.openid, request.star)
        return pb.PutStarStateResponse()

    def PutGameInfo(
        self, request: pb.PutGameInfoRequest, _context: grpc.ServicerContext
    ) -> pb.PutGameInfoResponse:
        self._put_game_info(request.openid, request.game_info)
        return pb.PutGameInfoResponse()

    def ImportFacts(
        self, request_iterator: Iterator[pb.ImportFactsRequest], _context: grpc.ServicerContext
    ) -> pb.ImportFactsResponse:
        reply = pb.ImportFactsResponse()
        for position, request in enumerate(request_iterator, start=1):
            failure = self._validator.failure(request) or self._failure(request)
            if failure is None:
                reply.written += 1
                continue
            reply.rejected += 1
            if len(reply.rejects) < MAX_REJECTS:
                first = failure.violations[0]
                reply.rejects.add(
                    position=position, field=first.field, description=first.description
                )
        return reply

    def GetUserFacts(
        self, request: pb.GetUserFactsRequest, _context: grpc.ServicerContext
    ) -> pb.GetUserFactsResponse:
        stars, games, _ = self._facts.all_of(request.openid)
        return pb.GetUserFactsResponse(
            stars=[pb.StarState(gid=star.gid, device=star.device, lit=True) for star in stars],
            game_infos=[_game_info(key, fact) for key, fact in games],
        )

    def DeleteUserFacts(
        self, request: pb.DeleteUserFactsRequest, _context: grpc.ServicerContext
    ) -> pb.DeleteUserFactsResponse:
        self._facts.delete(request.openid)
        return pb.DeleteUserFactsResponse()

    def _failure(self, request: pb.ImportFactsRequest) -> Failure | None:
        """Writes a fact; returns the reason if it cannot be written."""
        try:
            if request.HasField("star"):
                self._put_star(request.openid, request.star)
            else:
                self._put_game_info(request.openid, request.game_info)
        except Failure as failure:
            return failure
        return None

    def _put_star(self, user: str, star: pb.StarState) -> None:
        with _limited("star"):
            self._facts.put_star(user, Star(star.gid, star.device), lit=star.lit)

    def _put_game_info(self, user: str, info: pb.GameInfo) -> None:
        fact = GameFact(
            code=info.code if info.HasField("code") else None,
            number=info.number if info.HasField("number") else None,
        )
        with _limited("game_info"):
            self._facts.put_game_fact(user, game_key(info), fact)


@contextmanager
def _limited(field: str) -> Iterator[None]:
    try:
        yield
    except FactsFullError:
        message = f"a user has at most {MOST_FACTS} lit stars and game facts"
        violation = Violation(field, message, json_path(pb.ImportFactsRequest.DESCRIPTOR, field))
        raise Failure(REASON_LIMIT_REACHED, message, [violation]) from None


def _game_info(key: GameKey, fact: GameFact) -> pb.GameInfo:
    return pb.GameInfo(**key._asdict(), code=fact.code, number=fact.number)
