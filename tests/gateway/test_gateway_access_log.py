"""The access log names the routes of calls and no users."""

import grpc

from tests.gateway.running import Gateway, wait_until
from tests.gateway.upstream import Upstream, failing

LOGGED = [
    ("GET", "/userlevel/SECRET?userId=SECRET", "InitUser", 200, "0"),
    ("GET", "/userlevel/SECRET?point=SECRET", "UpgradeUser", 200, "-"),
    ("PUT", "/userlevel/SECRET", "-", 405, "-"),
    ("POST", "/userlevel/show/SECRET", "ShowUser", 200, "5"),
    ("POST", "/userlevel/points/SECRET", "AddPoints", 200, "-"),
    ("GET", "/userlevel/history/SECRET", "ListHistory", 200, "-"),
    ("GET", "/userlevel/at/SECRET?time=SECRET", "GetLevelAt", 200, "-"),
    ("GET", "/SECRET?SECRET", "-", 404, "-"),
    ("OPTIONS-SECRET", "/SECRET", "-", 404, "-"),
    ("GET", "/levelgate." + "a" * 80 + "SECRET", "-", 404, "-"),
]


def test_the_access_log_names_routes_and_no_user(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers["ShowUser"] = failing(grpc.StatusCode.NOT_FOUND, "SECRET")
    for number, (method, url, _, _, _) in enumerate(LOGGED):
        headers = {"x-request-id": f"logged-{number}", "x-envoy-original-method": "SECRET"}
        gateway.client.request(method, url, headers=headers)
    wait_until(lambda: bool(gateway.log_lines(f"logged-{len(LOGGED) - 1}")), "the log is written")
    for number, (method, url, rpc, code, status) in enumerate(LOGGED):
        (line,) = gateway.log_lines(f"logged-{number}")
        known = url.startswith("/userlevel")
        assert line["method"] == method[:7]
        assert ("{userId}" in str(line["route"])) == known
        assert str(line["rpc"]).rpartition("/")[2] == rpc or rpc == "-"
        assert line["code"] == code
        if status != "-":
            assert line["grpc"] == status
    assert "SECRET" not in gateway.access_log
    assert "/healthz" not in gateway.access_log
