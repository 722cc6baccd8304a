"""One call of each family, and how the document of the family writes a failure."""

import json
from dataclasses import dataclass

import httpx

from services.runtime import error_catalogue as catalogue
from tests.gateway.running import Gateway

# tests/unit/test_error_catalogue.py compares the texts with tests/contract/failures.yaml.
BAD = catalogue.BAD_PARAMETER.text
BUSY = catalogue.UNAVAILABLE.text
UNKNOWN_PATH = catalogue.UNKNOWN_PATH.text
WRONG_METHOD = catalogue.WRONG_METHOD.text
TOO_LARGE = catalogue.BODY_TOO_LARGE.text
TOO_MANY = catalogue.TOO_MANY_REQUESTS.text
NO_TOKEN = catalogue.UNAUTHENTICATED.text
SHOP_NO_TOKEN = catalogue.UNAUTHENTICATED.shop_text
NO_SCOPE = catalogue.FORBIDDEN.text
FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}
# How the bodies of failures begin where the status may be 200.
_BEGINNINGS = ('{"ret":1', '{"code":"error"', '{"result":0')
SHOP = "/?route=member.member-level.index"


@dataclass(frozen=True)
class Family:
    """A JSON call to one RPC of a family."""

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


def told(response: httpx.Response) -> dict[str, str]:
    """The headers by which programs tell failures apart."""
    names = ("x-levelgate-reason", "x-levelgate-field", "retry-after")
    return {name: response.headers[name] for name in names if name in response.headers}


def answered(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    is_failure = response.status_code >= 400 or response.text.startswith(_BEGINNINGS)
    assert ("x-levelgate-reason" in response.headers) == is_failure
    assert response.headers.get("retry-after", "") == {429: "1", 503: "2"}.get(
        response.status_code, ""
    )
    return response.status_code, response.text
