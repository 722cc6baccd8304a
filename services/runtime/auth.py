"""Who may call a method: the `access` option on the method decides."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from google.protobuf.descriptor import ServiceDescriptor

from levelgate.access.v1.reason_pb2 import (
    REASON_SCOPE_MISSING,
    REASON_TOKEN_INVALID,
    REASON_TOKEN_MISSING,
)
from services.access.known_tokens import Finder
from services.access.scopes import access_of
from services.access.tokens import Grant
from services.runtime.call import ANYBODY, Caller
from services.runtime.errors import Failure

# Longer than any token that was ever issued, so the store need not be asked.
_LONGEST_TOKEN = 512


# Of a call without a token to an open family. It equals ANYBODY, the caller of a public method, and
# is told from it by its identity.
WITHOUT_TOKEN = Caller()


class _Rule(NamedTuple):
    """The option on a method, and whether the setting OPEN_FAMILIES opens it."""

    scope: str
    takes_member: bool
    is_open: bool
    is_public: bool

    def allows(self, grant: Grant) -> bool:
        return self.takes_member if grant.member is not None else self.scope in grant.scopes


class Policy:
    """Decides who may call the methods of the given services."""

    def __init__(
        self,
        services: Iterable[ServiceDescriptor],
        tokens: Finder,
        open_families: frozenset[str] = frozenset(),
    ) -> None:
        self._rules = {
            method: _Rule(
                access.scope,
                access.member,
                access.openable and _family(method) in open_families,
                access.public,
            )
            for method, access in access_of(services).items()
        }
        self._tokens = tokens

    def admit(self, method: str, authorization: Sequence[str]) -> Caller:
        """Returns the caller.

        Raises Failure UNAUTHENTICATED without a valid token, and PERMISSION_DENIED if the token
        lacks the scope of the method. A token must be valid even where the family is open: a
        caller who sends one wants to be identified.
        """
        rule = self._rules[method]
        if rule.is_public:
            return ANYBODY
        token = token_in(authorization)
        if token is None:
            if rule.is_open:
                return WITHOUT_TOKEN
            raise Failure(REASON_TOKEN_MISSING)
        grant = self._tokens.find(token) if len(token) <= _LONGEST_TOKEN else None
        if grant is None:
            raise Failure(REASON_TOKEN_INVALID)
        if not rule.is_open and not rule.allows(grant):
            message = f"the token lacks the scope {rule.scope}"
            raise Failure(REASON_SCOPE_MISSING, message)
        return Caller(grant.appid, grant.member, grant.generation)


def token_in(authorization: Sequence[str]) -> str | None:
    """Returns the token, with or without "Bearer " before it; None if no token was sent.

    Conflicting headers count as one invalid token.
    """
    if len(authorization) == 1:
        return _without_scheme(authorization[0].strip()) or None
    tokens = {_without_scheme(value.strip()) for value in authorization} - {""}
    return ",".join(sorted(tokens)) if tokens else None


def _without_scheme(value: str) -> str:
    if " " not in value:
        return "" if value.lower() == "bearer" else value
    scheme, _, rest = value.partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else value


def _family(method: str) -> str:
    # /levelgate.member.v1.MemberLevel/ShowUser
    return method.split(".")[1]
