"""The pages for people: /docs, /console, and the description of the API."""

import gzip
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from services.runtime.error_catalogue import UNKNOWN_PATH, WRONG_METHOD
from tests.gateway.conftest import ORIGIN
from tests.gateway.families import answered, none_failure, told
from tests.gateway.http2 import HEADERS, PREFACE, SETTINGS, frame
from tests.gateway.running import Gateway, running_gateway, wait_until
from tests.gateway.upstream import Upstream

INDEX, SCRIPT, OPENAPI = b"<p>docs</p>" * 50, b"let x = 1;\n" * 100, b'{"openapi":"3.1.0"}'
LARGE = os.urandom(3_000_000)
FILES = {
    "docs/index.html": INDEX,
    "docs/app.js": SCRIPT,
    "console/index.html": INDEX,
    "console/style.css": SCRIPT,
    "docs/vendor/reference.js": SCRIPT,
    "docs/vendor/large.png": LARGE,
    "openapi.json": OPENAPI,
    "openapi.zh.json": OPENAPI,
    "vendor.json": OPENAPI,
}
# The public path, the file, and its content type.
SERVED = [
    ("/docs/", "docs/index.html", "text/html; charset=utf-8"),
    ("/docs/?lang=zh", "docs/index.html", "text/html; charset=utf-8"),
    ("/docs/app.js", "docs/app.js", "text/javascript; charset=utf-8"),
    ("/console/", "console/index.html", "text/html; charset=utf-8"),
    ("/console/style.css", "console/style.css", "text/css; charset=utf-8"),
    ("/docs/vendor/reference.js", "docs/vendor/reference.js", "text/javascript; charset=utf-8"),
    ("/docs/vendor/large.png", "docs/vendor/large.png", "image/png"),
    ("/openapi.json", "openapi.json", "application/json; charset=utf-8"),
    ("/openapi.zh.json", "openapi.zh.json", "application/json; charset=utf-8"),
]
STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
served = pytest.mark.parametrize(("url", "name", "content_type"), SERVED)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("web")
    for name, content in FILES.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(content)
    (root / "docs" / "notes.md").write_bytes(b"SECRET")
    return root


@pytest.fixture(scope="module")
def pages(
    _upstream: Upstream, web: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    directory = tmp_path_factory.mktemp("pages")
    with running_gateway(directory, _upstream.ports, None, web, GATEWAY_CORS_ORIGINS=ORIGIN) as one:
        yield one
        assert one.counter("http.gateway.lua.levelgate.errors") == 0


def get(gateway: Gateway, url: str, method: str = "GET", **headers: str) -> httpx.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return gateway.client.request(method, url, headers={"accept-encoding": "identity", **sent})


@served
def test_a_page_is_served_with_headers_that_protect_it(
    pages: Gateway, upstream: Upstream, url: str, name: str, content_type: str
) -> None:
    reply = get(pages, url)
    assert (reply.status_code, reply.content) == (200, FILES[name])
    headers = dict(reply.headers)
    for changing in ("date", "x-request-id", "etag"):
        del headers[changing]
    styles = "'self' 'unsafe-inline'" if name.startswith("docs/") else "'self'"
    assert headers == {
        "server": "levelgate",
        "content-length": str(len(FILES[name])),
        "content-type": content_type,
        "content-security-policy": STRICT.replace("style-src 'self'", f"style-src {styles}"),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cache-control": "no-cache",
        "vary": "accept-encoding",
    }
    assert upstream.calls == []


@served
def test_head_has_the_headers_alone(pages: Gateway, url: str, name: str, content_type: str) -> None:
    reply = get(pages, url, "HEAD")
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["content-length"] == str(len(FILES[name]))
    assert reply.headers["content-type"] == content_type


@pytest.mark.parametrize(
    ("accepted", "is_gzip"),
    [
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("br;q=1.0, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0.0, br", False),
        ("br", False),
        ("xgzip", False),
        ("gzipx", False),
        ("", False),
    ],
)
def test_a_page_is_compressed_for_those_who_accept_it(
    pages: Gateway, accepted: str, *, is_gzip: bool
) -> None:
    with pages.client.stream("GET", "/docs/", headers={"accept-encoding": accepted}) as reply:
        raw = b"".join(reply.iter_raw())
        assert reply.headers.get("content-encoding") == ("gzip" if is_gzip else None)
    assert (gzip.decompress(raw) if is_gzip else raw) == INDEX
    assert (len(raw) < len(INDEX)) == is_gzip


def test_a_file_that_cannot_be_compressed_is_sent_as_it_is(pages: Gateway) -> None:
    reply = get(pages, "/docs/vendor/large.png", accept_encoding="gzip")
    assert (reply.headers.get("content-encoding"), reply.content) == (None, LARGE)


def test_a_page_that_has_not_changed_is_not_sent_again(pages: Gateway) -> None:
    tag = get(pages, "/docs/").headers["etag"]
    assert get(pages, "/docs/", accept_encoding="gzip").headers["etag"] == tag
    for known in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
        reply = get(pages, "/docs/", if_none_match=known)
        assert (reply.status_code, reply.content, reply.headers["etag"]) == (304, b"", tag)
        assert reply.headers["cache-control"] == "no-cache"
    for other in ('"other"', "", tag[:-2] + '0"'):
        assert get(pages, "/docs/", if_none_match=other).status_code == 200
    assert get(pages, "/docs/app.js", if_none_match=tag).status_code == 200


@pytest.mark.parametrize("page", ["docs", "console"])
def test_the_path_without_a_slash_leads_to_the_page(pages: Gateway, page: str) -> None:
    reply = get(pages, f"/{page}")
    assert (reply.status_code, reply.headers["location"]) == (301, f"{page}/")
    # So that the relative links of the page are found.
    assert str(reply.next_request and reply.next_request.url.path) == f"/{page}/"


def test_a_part_of_a_page_is_never_sent(pages: Gateway) -> None:
    reply = get(pages, "/docs/", range="bytes=0-3")
    assert (reply.status_code, reply.content) == (200, INDEX)
    assert "accept-ranges" not in reply.headers


MISSING = [
    "/docs/nothing.js",
    "/docs/notes.md",
    "/docs/index.html",
    "/docs/index.html.gz",
    "/docs/app.js.gz",
    "/docs/app.js/",
    "/docs//",
    "/docs/../console/",
    "/docs/%2e%2e/console/",
    "/docs/..%2fapp.js",
    "/docs/%2e%2e%2f%2e%2e%2fenvoy.yaml",
    "/docs/../../envoy.yaml",
    "/docs/%61pp.js",
    "/docs/app.js%00",
    "/docs/%00",
    "/docs/app.js;a",
    "/docs\\app.js",
    "/Docs/",
    "/docsx",
    "/docs/vendor",
    "/docs/vendor/",
    "/vendor.json",
    "/openapi.json/",
    "/openapi.xx.json",
    "/openapi.yaml",
]


@pytest.mark.parametrize("url", MISSING)
def test_every_other_path_is_unknown(pages: Gateway, url: str) -> None:
    head, _, body = pages.raw(f"GET {url} HTTP/1.1\r\nhost: a\r\n\r\n".encode()).partition(
        b"\r\n\r\n"
    )
    assert head.startswith(b"HTTP/1.1 404 ")
    assert b"x-levelgate-reason: METHOD_UNKNOWN" in head
    assert body.decode() == none_failure(404, UNKNOWN_PATH.text)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
@pytest.mark.parametrize("url", ["/docs", "/docs/", "/docs/app.js", "/openapi.json"])
def test_a_page_can_only_be_read(pages: Gateway, url: str, method: str) -> None:
    reply = get(pages, url, method)
    assert answered(reply) == (405, none_failure(405, WRONG_METHOD.text))
    assert reply.headers["allow"] == "GET, HEAD"
    assert told(reply) == {"x-levelgate-reason": "WRONG_METHOD"}


def test_pages_count_against_the_rate_limit(upstream: Upstream, tmp_path: Path) -> None:
    with running_gateway(tmp_path, upstream.ports, GATEWAY_RATE_LIMIT="1") as limited:
        replies = (limited.client.get("/docs/") for _ in range(50))
        reply = next(each for each in replies if each.status_code == 429)
        assert told(reply) == {"x-levelgate-reason": "RATE_LIMITED", "retry-after": "1"}


def test_the_pages_can_be_switched_off(upstream: Upstream, tmp_path: Path) -> None:
    with running_gateway(tmp_path, upstream.ports, GATEWAY_WEB="0") as without:
        for url in ("/docs", "/docs/", "/console/", "/openapi.json"):
            assert answered(get(without, url)) == (404, none_failure(404, UNKNOWN_PATH.text))


def test_the_pages_of_this_repository_are_served(gateway: Gateway) -> None:
    for url in ("/docs/", "/console/"):
        assert get(gateway, url).headers["content-type"] == "text/html; charset=utf-8"


STREAMS, CONNECTIONS, MOST_FILES = 256, 4, 64


def test_readers_that_do_not_read_take_no_memory_and_no_calls(pages: Gateway) -> None:
    path = b"/docs/vendor/large.png"
    # HPACK: :method GET, :scheme http, :path and :authority as literals with indexed names.
    block = b"\x82\x86\x04" + bytes([len(path)]) + path + b"\x01\x01x"
    window = frame(SETTINGS, 0, 0, struct.pack("!HI", 4, 2**31 - 1))
    requests = b"".join(frame(HEADERS, 5, 2 * n + 1, block) for n in range(STREAMS))
    before = pages.heap_mib
    with ExitStack() as opened:
        for _ in range(CONNECTIONS):
            connection = socket.create_connection(("127.0.0.1", pages.port), timeout=10)
            opened.enter_context(connection).sendall(PREFACE + window + requests)
        wait_until(
            lambda: pages.counter("cluster.pages.upstream_rq_active_overflow") > 0,
            "further readers are refused",
        )
        assert pages.counter("cluster.pages.upstream_rq_active") <= MOST_FILES
        # 64 files of 3 MB would be 192 MiB, and all 1,024 of them 3 GiB.
        assert pages.heap_mib - before < 64
        assert {pages.client.get("/show").status_code for _ in range(50)} == {200}
        # Only the large files are affected.
        small = [get(pages, url).status_code for url in ("/console/", "/docs/") for _ in range(20)]
        assert set(small) == {200}
    wait_until(
        lambda: pages.counter("cluster.pages.upstream_rq_active") == 0, "the files are closed"
    )
    assert get(pages, "/docs/").status_code == 200
