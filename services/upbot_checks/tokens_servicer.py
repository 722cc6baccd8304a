"""The RPCs that issue tokens."""

import grpc

from levelgate.access.v1 import access_tokens_pb2 as pb
from levelgate.access.v1.access_tokens_pb2_grpc import AccessTokensServicer
from levelgate.access.v1.reason_pb2 import REASON_CREDENTIALS_INVALID, REASON_TOKEN_INVALID
from services.access.apps import Apps
from services.access.tokens import ACCESS_SECONDS, MEMBER_SECONDS, Pair, Tokens
from services.runtime.call import current_caller
from services.runtime.errors import Failure


class AccessTokens(AccessTokensServicer):
    """Implements levelgate.access.v1.AccessTokens."""

    def __init__(self, apps: Apps, tokens: Tokens) -> None:
        self._apps = apps
        self._tokens = tokens

    def GetAccessToken(
        self, request: pb.GetAccessTokenRequest, _context: grpc.ServicerContext
    ) -> pb.GetAccessTokenResponse:
        app = self._apps.authenticate(request.appid, request.app_secret)
        pair = None if app is None else self._tokens.issue(app)
        return pb.GetAccessTokenResponse(msg="ok", data=_data(pair, "appid or app_secret"))

    def RefreshToken(
        self, request: pb.RefreshTokenRequest, _context: grpc.ServicerContext
    ) -> pb.RefreshTokenResponse:
        pair = self._tokens.refresh(request.appid, request.refresh_token)
        return pb.RefreshTokenResponse(msg="ok", data=_data(pair, "appid or refresh_token"))

    def IssueMemberToken(
        self, request: pb.IssueMemberTokenRequest, _context: grpc.ServicerContext
    ) -> pb.IssueMemberTokenResponse:
        caller = current_caller()
        token = self._tokens.issue_member(caller.appid or "", caller.generation, request.user_id)
        if token is None:
            raise Failure(REASON_TOKEN_INVALID, "the app of the token was revoked")
        return pb.IssueMemberTokenResponse(member_token=token, expires_in=MEMBER_SECONDS)


def _data(pair: Pair | None, wrong: str) -> pb.TokenPair:
    if pair is None:
        # The message does not say which of the two is wrong: that would help to guess appids.
        raise Failure(REASON_CREDENTIALS_INVALID, f"{wrong} is wrong")
    return pb.TokenPair(
        access_token=pair.access_token,
        expires_in=ACCESS_SECONDS,
        refresh_token=pair.refresh_token,
        scope=pair.scope,
    )
