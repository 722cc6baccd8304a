"""Conditions on one user or many: from the message to the domain and back."""

from collections.abc import Iterable, Iterator, Mapping

import grpc

from levelgate.access.v1.reason_pb2 import REASON_VERSION_NOT_REACHED
from levelgate.upbot.v1 import eligibility_pb2 as pb
from levelgate.upbot.v1.eligibility_pb2_grpc import EligibilityServicer
from services.rules.ladder import Ladder
from services.rules.rule_book import RuleBook
from services.runtime.errors import Failure, Violation, invalid
from services.runtime.validation import Validator
from services.upbot_checks.condition import Condition, Snapshot, unmet
from services.upbot_checks.condition_messages import explanation, from_message
from services.upbot_checks.snapshots import Snapshots, VersionNotReachedError

_Request = pb.EligibilityBatchCheckRequest | pb.EligibilityStreamCheckRequest


class Eligibility(EligibilityServicer):
    """Reads only; an unknown user is not an error."""

    def __init__(self, snapshots: Snapshots, rules: RuleBook, validator: Validator) -> None:
        self._snapshots = snapshots
        self._rules = rules
        self._validator = validator

    def Check(
        self, request: pb.EligibilityCheckRequest, _context: grpc.ServicerContext
    ) -> pb.EligibilityCheckResponse:
        condition = from_message(request.condition)
        versions = {request.openid: request.min_version} if request.min_version else {}
        (user,) = self._take([request.openid], condition, versions, "min_version")
        ladder = self._ladder() if request.explain else None
        result = _result(request.condition, condition, user, ladder)
        return pb.EligibilityCheckResponse(data=result)

    def BatchCheck(
        self, request: pb.EligibilityBatchCheckRequest, _context: grpc.ServicerContext
    ) -> pb.EligibilityBatchCheckResponse:
        return pb.EligibilityBatchCheckResponse(data=self._batch(request, request.condition))

    def StreamCheck(
        self,
        request_iterator: Iterator[pb.EligibilityStreamCheckRequest],
        _context: grpc.ServicerContext,
    ) -> Iterator[pb.EligibilityStreamCheckResponse]:
        condition: pb.Condition | None = None
        for request in request_iterator:
            self._validator.validate(request)
            if request.HasField("condition"):
                condition = request.condition
            if condition is None:
                raise invalid([Violation("condition", "is required in the first message")])
            yield pb.EligibilityStreamCheckResponse(data=self._batch(request, condition))

    def _batch(self, request: _Request, message: pb.Condition) -> pb.BatchResult:
        condition = from_message(message)
        versions: dict[str, int] = {}
        for each in request.min_versions:
            # Who demands two versions of a user means the newer one.
            versions[each.openid] = max(each.version, versions.get(each.openid, 0))
        openids = list(request.openids)
        users = self._take(openids, condition, versions, "min_versions")
        if not (request.detail or request.explain):
            holds = condition.holds
            pairs = zip(openids, users, strict=True)
            return pb.BatchResult(openids=[openid for openid, user in pairs if holds(user)])
        ladder = self._ladder() if request.explain else None
        results = [_result(message, condition, user, ladder) for user in users]
        eligible = [openid for openid, found in zip(openids, results, strict=True) if found.ok]
        return pb.BatchResult(openids=eligible, results=results)

    def _take(
        self,
        users: Iterable[str],
        condition: Condition,
        versions: Mapping[str, int],
        field: str,
    ) -> list[Snapshot]:
        try:
            return list(self._snapshots.take(list(users), condition.needs(), versions))
        except VersionNotReachedError as error:
            raise _version_not_reached(field, versions[error.user]) from None

    def _ladder(self) -> Ladder:
        return self._rules.book().ladder


def _result(
    message: pb.Condition, condition: Condition, user: Snapshot, ladder: Ladder | None
) -> pb.EligibilityResult:
    """Explained where there is a ladder to explain it by."""
    ok = condition.holds(user)
    result = pb.EligibilityResult(ok=ok, version=user.version)
    if ladder is not None and not ok:
        parts = unmet(condition, user)
        result.explanation.CopyFrom(explanation(message, parts, user, ladder))
    return result


def _version_not_reached(field: str, version: int) -> Failure:
    description = f"must be a version that the store gave this user; got {version}"
    return Failure(
        grpc.StatusCode.FAILED_PRECONDITION,
        REASON_VERSION_NOT_REACHED,
        "版本不存在",
        [Violation(field, description, field)],
    )
