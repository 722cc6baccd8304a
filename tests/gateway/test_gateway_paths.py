"""Which paths and methods exist, and how the gateway answers all others."""

import pytest

from tests.gateway.families import (
    MEMBER,
    SHOP,
    SHOP_PAGE,
    UNKNOWN_PATH,
    UPBOT,
    WRONG_METHOD,
    Family,
    answered,
    none_failure,
)
from tests.gateway.running import Gateway
from tests.gateway.upstream import Upstream

DOCUMENTED = [
    ("POST", "/upbot/api/auth/GetAccessToken", "GetAccessToken"),
    ("POST", "/upbot/api/auth/RefreshToken", "RefreshToken"),
    ("POST", "/upbot/api/CheckUserXYLevel", "CheckUserXYLevel"),
    ("POST", "/upbot/api/CheckStarState", "CheckStarState"),
    ("POST", "/upbot/api/CheckGameInfo", "CheckGameInfo"),
    ("POST", "/upbot/api/FindUsers", "FindUsersPage"),
    ("POST", "/upbot/api/CountUsers", "CountUsers"),
    ("GET", "/userlevel/7", "InitUser"),
    ("GET", "/userlevel/7?point=3", "UpgradeUser"),
    ("GET", "/userlevel/show", "InitUser"),
    ("DELETE", "/userlevel/7", "DeleteUser"),
    ("POST", "/userlevel/7", "UpdateUser"),
    ("POST", "/userlevel/show/7", "ShowUser"),
    ("POST", "/vipBiz", "CreateRule"),
    ("DELETE", "/vipBiz", "DeleteRule"),
    ("POST", "/vipBiz/update", "UpdateRule"),
    ("GET", "/show", "ListRules"),
    ("GET", "/leveldown", "LevelDown"),
    ("POST", "/userlevel/points/7", "AddPoints"),
    ("GET", "/userlevel/history/7", "ListHistory"),
    ("GET", "/userlevel/at/7?time=2026-01-01T00:00:00Z", "GetLevelAt"),
    ("GET", "/userlevel/history/at", "ListHistory"),
    ("POST", "/vipBiz/preview", "PreviewRules"),
    ("GET", "/vipBiz/version", "GetRuleBook"),
    ("POST", "/leveldown/plan", "PlanDemotion"),
    ("GET", "/leveldown/atRisk?points=3", "ListAtRisk"),
    ("POST", "/vipBiz/replace", "ReplaceRules"),
    ("POST", "/vipBiz/restore", "RestoreRules"),
    ("GET", "/vipBiz/versions", "ListRuleVersions"),
    ("POST", "/leveldown/run", "StartDemotion"),
    ("POST", "/leveldown/stop", "StopDemotion"),
    ("GET", "/leveldown/runs", "ListDemotionRuns"),
    ("GET", "/members/count", "CountMembers"),
    ("GET", "/members/list?level=3", "ListMembers"),
    ("GET", "/members/search?prefix=a", "SearchMembers"),
    ("GET", "/userlevel/summary/7", "GetMember"),
    ("POST", "/upbot/api/ListApps", "ListApps"),
    # Users whose ids are words of other paths.
    ("GET", "/userlevel/summary", "InitUser"),
    ("GET", "/userlevel/history", "InitUser"),
    ("POST", "/userlevel/points", "UpdateUser"),
    ("GET", "/userlevel/at", "InitUser"),
    ("GET", "/?route=member.member-level.index", "GetMemberLevels"),
    ("GET", "/?&i=6&type=5&route=member.member-level.index", "GetMemberLevels"),
    ("GET", "/?%72oute=member.member%2Dlevel.index", "GetMemberLevels"),
    ("GET", "/?route=member.member-level.index&route=member.member-level.index", "GetMemberLevels"),
    ("GET", "/addons/yun_shop/api.php?route=member.member-level.index", "GetMemberLevels"),
]


@pytest.mark.parametrize(("method", "url", "rpc"), DOCUMENTED)
def test_a_documented_path_calls_its_rpc(
    gateway: Gateway, upstream: Upstream, method: str, url: str, rpc: str
) -> None:
    assert gateway.client.request(method, url).status_code == 200
    assert [call.rpc for call in upstream.calls] == [rpc]


UNKNOWN: list[tuple[str, Family | None]] = [
    ("/upbot", UPBOT),
    ("/upbot/", UPBOT),
    ("/upbot/api/CheckStarState/", UPBOT),
    ("/upbot/api/checkstarstate", UPBOT),
    ("/upbot/api//CheckStarState", UPBOT),
    ("/upbot/api/auth/IssueMemberToken", UPBOT),
    ("/userlevel", MEMBER),
    ("/userlevel/", MEMBER),
    ("/userlevel/7/", MEMBER),
    ("/userlevel//7", MEMBER),
    ("/userlevel/show/7/8", MEMBER),
    ("/vipBiz/", MEMBER),
    ("/vipBiz%2Fupdate", None),
    ("/vipBiz/update/7", MEMBER),
    ("/show/", MEMBER),
    ("/leveldown/now", MEMBER),
    ("/leveldown/plan/7", MEMBER),
    ("/leveldown/run/7", MEMBER),
    ("/vipBiz/replace/7", MEMBER),
    ("/userlevel/other/7", MEMBER),
    ("/members", MEMBER),
    ("/members/", MEMBER),
    ("/members/count/", MEMBER),
    ("/members/other", MEMBER),
    ("/userlevel/summary/7/8", MEMBER),
    ("/upbot/api/ListApps/", UPBOT),
    ("/userlevel/history/7/8", MEMBER),
    ("/userlevel/points/", MEMBER),
    ("/addons/yun_shop/", SHOP_PAGE),
    ("/addons/yun_shop/index.php", SHOP_PAGE),
    ("/", SHOP_PAGE),
    ("/?route=", SHOP_PAGE),
    ("/?route=member.other", SHOP_PAGE),
    ("/?Route=member.member-level.index", SHOP_PAGE),
    ("/?route=member.member-level.index&route=member.other", SHOP_PAGE),
    ("/addons/yun_shop/api.php?i=6", SHOP_PAGE),
    ("/addons", None),
    ("/index.html", None),
    ("/healthz/", None),
    ("/showcase", None),
    # Only internal: the filter rewrites public paths to these.
    ("/upgrade/userlevel/7?point=3", None),
    ("/shop/member.member-level.index", None),
    ("/levelgate.member.v1.MemberLevel/InitUser", None),
    ("/userlevel/../upgrade/userlevel/7", MEMBER),
]


# Every path once, and one path of each family with every method.
NOT_FOUND: list[tuple[str, str, Family | None]] = [
    *(("GET", url, family) for url, family in UNKNOWN),
    *(
        (method, url, family)
        for method in ("POST", "DELETE", "PUT")
        for url, family in (
            ("/upbot", UPBOT),
            ("/vipBiz/", MEMBER),
            ("/?route=", SHOP_PAGE),
            ("/index.html", None),
        )
    ),
]


@pytest.mark.parametrize(("method", "url", "family"), NOT_FOUND, ids=str)
def test_any_other_path_is_404(
    gateway: Gateway, upstream: Upstream, method: str, url: str, family: Family | None
) -> None:
    request = f"{method} {url} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"
    head, _, body = gateway.raw(request.encode()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404 ")
    wanted = family.failure(1004, UNKNOWN_PATH) if family else none_failure(404, UNKNOWN_PATH)
    assert body.decode() == wanted
    assert upstream.calls == []


ALLOWED: list[tuple[str, Family, str]] = [
    ("/upbot/api/CheckGameInfo", UPBOT, "POST"),
    ("/upbot/api/FindUsers", UPBOT, "POST"),
    ("/upbot/api/CountUsers", UPBOT, "POST"),
    ("/upbot/api/auth/GetAccessToken", UPBOT, "POST"),
    ("/userlevel/7", MEMBER, "GET, POST, DELETE"),
    ("/userlevel/show/7", MEMBER, "POST"),
    ("/vipBiz", MEMBER, "POST, DELETE"),
    ("/vipBiz/update", MEMBER, "POST"),
    ("/show", MEMBER, "GET"),
    ("/leveldown", MEMBER, "GET"),
    ("/userlevel/points/7", MEMBER, "POST"),
    ("/userlevel/history/7", MEMBER, "GET"),
    ("/userlevel/at/7", MEMBER, "GET"),
    ("/members/count", MEMBER, "GET"),
    ("/members/list", MEMBER, "GET"),
    ("/members/search", MEMBER, "GET"),
    ("/userlevel/summary/7", MEMBER, "GET"),
    ("/upbot/api/ListApps", UPBOT, "POST"),
    ("/vipBiz/preview", MEMBER, "POST"),
    ("/vipBiz/version", MEMBER, "GET"),
    ("/leveldown/plan", MEMBER, "POST"),
    ("/leveldown/atRisk", MEMBER, "GET"),
    ("/vipBiz/replace", MEMBER, "POST"),
    ("/vipBiz/restore", MEMBER, "POST"),
    ("/vipBiz/versions", MEMBER, "GET"),
    ("/leveldown/run", MEMBER, "POST"),
    ("/leveldown/stop", MEMBER, "POST"),
    ("/leveldown/runs", MEMBER, "GET"),
    (SHOP, SHOP_PAGE, "GET"),
]


METHODS = ("GET", "POST", "DELETE", "PUT", "BREW", "OPTIONS", "HEAD")


@pytest.mark.parametrize(("url", "family", "allowed"), ALLOWED, ids=str)
def test_a_wrong_method_is_405_and_names_the_right_ones(
    gateway: Gateway, upstream: Upstream, url: str, family: Family, allowed: str
) -> None:
    for method in METHODS:
        upstream.calls.clear()
        response = gateway.client.request(method, url)
        if method in allowed.split(", "):
            assert response.status_code == 200, method
            continue
        wanted = "" if method == "HEAD" else family.failure(1005, WRONG_METHOD)
        assert answered(response) == (405, wanted), method
        assert response.headers["allow"] == allowed
        assert upstream.calls == []


IDS = {
    "7": "7",
    "a%2Fb": "a/b",
    "a%20b": "a b",
    "a%3Fb": "a?b",
    "a+b": "a+b",
    "a%2Bb": "a+b",
    "a:b": "a:b",
    "a%3Ab": "a:b",
    "a%252Fb": "a%2Fb",
    "a;b=c,d": "a;b=c,d",
    "a%5Cb": "a\\b",
    "%22%27%3C%26": "\"'<&",
    "%2E%2E": "..",
    "..": "..",
    "%E7%94%A8%E6%88%B7": "用户",
    "%F0%9F%98%80": "😀",
    "show": "show",
    "points": "points",
    "history": "history",
    "at": "at",
    "a%00b": "a\0b",
    "a%0D%0Ab": "a\r\nb",
    "x" * 20_000: "x" * 20_000,
}


@pytest.mark.parametrize(("escaped", "user"), IDS.items(), ids=[key[:20] for key in IDS])
def test_a_user_id_is_decoded_exactly_once(
    gateway: Gateway, upstream: Upstream, escaped: str, user: str
) -> None:
    request = f"GET /userlevel/{escaped} HTTP/1.1\r\nhost: a\r\n\r\n"
    assert gateway.raw(request.encode()).startswith(b"HTTP/1.1 200 ")
    assert [(call.rpc, call.request.user_id) for call in upstream.calls] == [("InitUser", user)]


@pytest.mark.parametrize(
    ("method", "prefix", "query", "rpc"),
    [
        ("GET", "/userlevel/", "?point=1", "UpgradeUser"),
        ("POST", "/userlevel/", "", "UpdateUser"),
        ("DELETE", "/userlevel/", "", "DeleteUser"),
        ("POST", "/userlevel/show/", "", "ShowUser"),
        ("POST", "/userlevel/points/", "", "AddPoints"),
        ("GET", "/userlevel/history/", "", "ListHistory"),
        ("GET", "/userlevel/at/", "", "GetLevelAt"),
    ],
)
def test_every_call_decodes_its_user_id(
    gateway: Gateway, upstream: Upstream, method: str, prefix: str, query: str, rpc: str
) -> None:
    gateway.client.request(method, f"{prefix}%E7%94%A8%252F%2Fa+b{query}")
    assert [(call.rpc, call.request.user_id) for call in upstream.calls] == [(rpc, "用%2F/a+b")]
