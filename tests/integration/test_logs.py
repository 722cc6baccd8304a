"""No secret, token or whole openid enters a log, whatever is sent and whoever refuses it."""

from typing import Any

import httpx

from tests.stack.waiting import until
from tests.support.running import RunningStack

OPENID = "somebodys-whole-openid"
ODD: tuple[dict[str, Any], ...] = (
    {"content": b"a" * 1_200_000},
    {"content": b"\xff"},
    {"content": b'{"point":"' + OPENID.encode() + b'"}'},
    {"params": {"point": OPENID}},
    {},
)


def test_what_callers_send_is_in_no_log(stack: RunningStack) -> None:
    with httpx.Client(base_url=stack.gateway, headers={"Authorization": stack.token}) as client:
        for path in (f"/userlevel/{OPENID}", f"/userlevel/show/{OPENID}", f"/nowhere/{OPENID}"):
            for method in ("GET", "POST", "DELETE", "PUT"):
                for odd in ODD:
                    client.request(method, path, **odd)
        client.get("/", params={"route": "member.member-level.index", "uid": OPENID})
        secret = {"appid": stack.appid, "app_secret": stack.app_secret}
        client.post("/upbot/api/auth/GetAccessToken", json={**secret, "grant_type": "wrong"})
        last = client.get("/show", headers={"x-request-id": "the-last-of-them"})
        assert last.status_code == 200

    logs = stack.directory / "logs"
    until(lambda: "the-last-of-them" in (logs / "gateway.log").read_text(), "the access log")
    for log in logs.iterdir():
        text = log.read_text()
        for sent in (OPENID, stack.token, stack.app_secret):
            assert sent not in text, log.name
