"""The product in one sentence: a level raised through member_level is, at once, the level that
upbot_checks checks and whose rights shop_level shows.
"""

import httpx

from levelgate.client import connect
from levelgate.member.v1.member_level_pb2 import InitUserRequest, UpgradeUserRequest
from levelgate.member.v1.member_level_pb2_grpc import MemberLevelStub
from levelgate.upbot.v1.upbot_checks_pb2 import CheckUserXYLevelRequest
from levelgate.upbot.v1.upbot_checks_pb2_grpc import UpbotChecksStub
from tests.support.running import RunningStack


def test_a_level_raised_is_checked_and_shown_at_once(stack: RunningStack) -> None:
    stack.reset()
    with httpx.Client(base_url=stack.gateway, headers={"Authorization": stack.token}) as client:
        for user, points, level, rights_of in (("a", 1500, 3, "第一"), ("b", 3000, 5, "第二")):
            client.get(f"/userlevel/{user}")
            raised = client.get(f"/userlevel/{user}", params={"point": points}).json()
            assert raised["data"] == {"当前等级": level, "升级成功": 1}
            checked = client.post(
                "/upbot/api/CheckUserXYLevel", json={"openid": user, "level": [level]}
            )
            assert checked.json()["data"] == {"ok": True}
            shown = client.get("/", params={"route": "member.member-level.index", "uid": user})
            assert shown.json()["data"]["member_data"]["level_name"] == rights_of


def test_the_same_through_the_client_package(stack: RunningStack) -> None:
    stack.reset()
    target = stack.gateway.removeprefix("http://")
    with connect(target, appid=stack.appid, app_secret=stack.app_secret) as channel:
        members, checks = MemberLevelStub(channel), UpbotChecksStub(channel)
        members.InitUser(InitUserRequest(user_id="c"), timeout=5)
        reply = members.UpgradeUser(UpgradeUserRequest(user_id="c", point=800), timeout=5)
        assert (reply.data.level, reply.data.upgraded) == (2, 1)
        question = CheckUserXYLevelRequest(openid="c", level=[1, 2])
        assert checks.CheckUserXYLevel(question, timeout=5).data.ok
