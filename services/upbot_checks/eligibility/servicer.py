"""The RPCs of the Eligibility service; audience.py has those that find users."""

from collections.abc import Iterator, Mapping, Sequence

import grpc

from levelgate.access.v1.reason_pb2 import REASON_VERSION_NOT_REACHED
from levelgate.upbot.v1 import eligibility_pb2 as pb
from levelgate.upbot.v1.eligibility_pb2_grpc import EligibilityServicer
from services.rules.rule_book import RuleBook
from services.runtime.call import Context
from services.runtime.cancellation import require_caller
from services.runtime.errors import Failure, Violation, invalid
from services.runtime.validation import Validator
from services.upbot_checks.eligibility.audience import Audience
from services.upbot_checks.eligibility.condition import Condition, Snapshot
from services.upbot_checks.eligibility.explanations import Explanations
from services.upbot_checks.eligibility.limits import MOST_VALUES_OF_ONE, require_within_limits
from services.upbot_checks.eligibility.parse import parse_condition
from services.upbot_checks.eligibility.snapshots import Snapshots, VersionNotReachedError

_Request = (
    pb.EligibilityCheckRequest | pb.EligibilityBatchCheckRequest | pb.EligibilityStreamCheckRequest
)
# A batch checks after this many users whether its caller is still connected.
_USERS_BETWEEN_CHECKS = 100


class Eligibility(EligibilityServicer):
    """Implements levelgate.upbot.v1.Eligibility. An unknown user is not an error."""

    def __init__(
        self, snapshots: Snapshots, rules: RuleBook, validator: Validator, audience: Audience
    ) -> None:
        self._snapshots = snapshots
        self._rules = rules
        self._validator = validator
        self._audience = audience

    def Check(
        self, request: pb.EligibilityCheckRequest, context: grpc.ServicerContext
    ) -> pb.EligibilityCheckResponse:
        condition = parse_condition(request.condition)
        versions = {request.openid: request.min_version} if request.min_version else {}
        response = pb.EligibilityCheckResponse()
        explained = self._explanations(request, request.condition, condition)
        openids = [request.openid]
        require_within_limits(openids, condition.needs(), explained, MOST_VALUES_OF_ONE)
        for user in self._read(openids, condition, versions, "min_version", context):
            _fill(response.data, condition, user, explained)
        return response

    def BatchCheck(
        self, request: pb.EligibilityBatchCheckRequest, context: grpc.ServicerContext
    ) -> pb.EligibilityBatchCheckResponse:
        response = pb.EligibilityBatchCheckResponse()
        self._batch(request, request.condition, context, response.data)
        return response

    def StreamCheck(
        self,
        request_iterator: Iterator[pb.EligibilityStreamCheckRequest],
        context: grpc.ServicerContext,
    ) -> Iterator[pb.EligibilityStreamCheckResponse]:
        condition: pb.Condition | None = None
        for request in request_iterator:
            self._validator.validate(request)
            if request.HasField("condition"):
                condition = request.condition
            if condition is None:
                description = "is required in the first message"
                raise invalid([Violation("condition", description, "condition")])
            response = pb.EligibilityStreamCheckResponse()
            self._batch(request, condition, context, response.data)
            yield response

    def FindUsers(
        self, request: pb.FindUsersRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.FindUsersResponse]:
        return self._audience.stream(request, context)

    def FindUsersPage(
        self, request: pb.FindUsersPageRequest, context: grpc.ServicerContext
    ) -> pb.FindUsersPageResponse:
        return self._audience.page(request, context)

    def CountUsers(
        self, request: pb.CountUsersRequest, context: grpc.ServicerContext
    ) -> pb.CountUsersResponse:
        return self._audience.count(request, context)

    def _batch(
        self,
        request: pb.EligibilityBatchCheckRequest | pb.EligibilityStreamCheckRequest,
        message: pb.Condition,
        context: Context,
        result: pb.BatchResult,
    ) -> None:
        """Fills in the result in place: a copy would take longer than the checks."""
        condition = parse_condition(message)
        versions: dict[str, int] = {}
        for each in request.min_versions:
            # If a caller requires two versions of a user, the newer one counts.
            versions[each.openid] = max(each.version, versions.get(each.openid, 0))
        openids = list(request.openids)
        explained = self._explanations(request, message, condition)
        require_within_limits(openids, condition.needs(), explained)
        users = self._read(openids, condition, versions, "min_versions", context)
        pairs = zip(openids, users, strict=True)
        if not (request.detail or request.explain):
            result.openids.extend([openid for openid, user in pairs if condition.holds(user)])
            return
        for openid, user in pairs:
            if _fill(result.results.add(), condition, user, explained):
                result.openids.append(openid)

    def _read(
        self,
        users: Sequence[str],
        condition: Condition,
        versions: Mapping[str, int],
        field: str,
        context: Context,
    ) -> Iterator[Snapshot]:
        try:
            found = self._snapshots.read(users, condition.needs(), versions)
            for number, snapshot in enumerate(found):
                if number % _USERS_BETWEEN_CHECKS == _USERS_BETWEEN_CHECKS - 1:
                    require_caller(context)
                yield snapshot
        except VersionNotReachedError as error:
            raise _version_not_reached(field, versions[error.user]) from None

    def _explanations(
        self, request: _Request, message: pb.Condition, condition: Condition
    ) -> Explanations | None:
        """None if the caller did not ask for explanations."""
        if not request.explain:
            return None
        return Explanations(message, condition, self._rules.book().ladder)


def _fill(
    result: pb.EligibilityResult,
    condition: Condition,
    user: Snapshot,
    explained: Explanations | None,
) -> bool:
    """Fills in the result of one user; returns whether the condition holds."""
    if explained is None:
        ok = condition.holds(user)
    else:
        explanation = explained.of(user)
        ok = not explanation
        if explanation:
            result.explanation.MergeFromString(explanation)
    result.ok, result.version = ok, user.version
    return ok


def _version_not_reached(field: str, version: int) -> Failure:
    description = f"must be a version that the user has reached; got {version}"
    violations = [Violation(field, description, field)]
    return Failure(REASON_VERSION_NOT_REACHED, violations=violations)
