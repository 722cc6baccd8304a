"""One call of each family, and how the family's document writes a failure."""

import json
from dataclasses import dataclass

import httpx

from tests.gateway.running import Gateway

BAD = "请求参数错误，请稍后再试"
BUSY = "系统繁忙，请稍后再试"
UNKNOWN_PATH = "接口不存在"
WRONG_METHOD = "请求方法不支持"
TOO_LARGE = "请求体过大"
TOO_MANY = "请求过于频繁，请稍后再试"
SHOP = "/?route=member.member-level.index"


@dataclass(frozen=True)
class Family:
    """A call to one RPC of a family as JSON."""

    name: str
    method: str
    url: str
    rpc: str
    service: str

    def call(self, gateway: Gateway, **options: object) -> httpx.Response:
        return gateway.client.request(self.method, self.url, **options)  # type: ignore[arg-type]

    def failure(self, ret: int, msg: str) -> str:
        """The envelope, to the byte."""
        text = json.dumps(msg, ensure_ascii=False)
        return {
            "upbot": f'{{"ret":{ret},"msg":{text}}}',
            "member": f'{{"code":"error","msg":{text},"data":null}}',
            "shop": f'{{"result":0,"msg":{text},"data":[]}}',
        }[self.name]


UPBOT = Family("upbot", "POST", "/upbot/api/CheckStarState", "CheckStarState", "upbot_checks")
MEMBER = Family("member", "POST", "/vipBiz", "CreateRule", "member_level")
SHOP_PAGE = Family("shop", "GET", SHOP, "GetMemberLevels", "shop_level")
FAMILIES = [UPBOT, MEMBER, SHOP_PAGE]


def none_failure(code: int, msg: str) -> str:
    """The envelope of a path of no family."""
    return f'{{"code":{code},"msg":"{msg}"}}'


def answered(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    return response.status_code, response.text
