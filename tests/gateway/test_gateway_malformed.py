"""Malformed bodies, queries, forms and user ids are parameter errors."""

import gzip

from tests.gateway.families import BAD, FORM, JSON, MEMBER, SHOP, SHOP_PAGE, UPBOT, answered
from tests.gateway.running import Gateway
from tests.gateway.upstream import Upstream

NESTED = b'{"openid":"a","x":' + b"[" * 70 + b"]" * 70 + b"}"
MALFORMED = {
    "nothing but space": b"  ",
    "half": b'{"openid":',
    "a comma too many": b'{"openid":"a",}',
    "single quotes": b"{'openid':'a'}",
    "bare names": b'{openid:"a"}',
    "two objects": b"{}{}",
    "an array": b"[1]",
    "an array that goes on": b'{"level":[1,]}',
    "an array that ends otherwise": b'{"level":[1}',
    "an array with nothing in it": b'{"level":[1,,2]}',
    "a leading zero in an array": b'{"level":[01]}',
    "an object that ends otherwise": b'{"openid":"a"]',
    "an object that does not end": b'{"openid":"a","level":[1]',
    "something after it": b'{"openid":"a","level":[1]}x',
    "no comma": b'{"openid":"a" "level":[1]}',
    "no value": b'{"openid":"a","level":}',
    "no number": b'{"level":-}',
    "a string": b'"a"',
    "null": b"null",
    "a number": b"1",
    "a leading zero": b'{"a":01}',
    "NaN": b'{"a":NaN}',
    "a raw line feed": b'{"a":"\n"}',
    "an unknown escape": b'{"a":"\\x"}',
    "an escape outside a text": b'{"level":1\\n}',
    "an escape that another would complete": b'{"a":"\\u00\\n41"}',
    "an escaped quote at the end": b'{"a":"\\"}',
    "half a surrogate pair": b'{"openid":"\\ud800"}',
    "the wrong half": b'{"openid":"\\udc00\\ud800"}',
    "bad UTF-8": b'{"openid":"\xff"}',
    "overlong UTF-8": b'{"openid":"\xc0\x80"}',
    "a surrogate in UTF-8": b'{"openid":"\xed\xa0\x80"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "gzip": gzip.compress(b"{}"),
    "nesting": NESTED,
    "more values than any contract has": b'{"x":[' + b"1," * 5000 + b"1]}",
    "more names than any contract has": b"{" + b",".join(b'"%d":1' % n for n in range(5000)) + b"}",
    "a form": b"openid=a",
}


def test_a_malformed_body_is_a_parameter_error(gateway: Gateway, upstream: Upstream) -> None:
    for what, body in MALFORMED.items():
        reply = UPBOT.call(gateway, content=body, headers=JSON)
        assert answered(reply) == (200, UPBOT.failure(1001, BAD)), what
    reply = MEMBER.call(gateway, content=MALFORMED["half"], headers=JSON)
    assert answered(reply) == (200, MEMBER.failure(1001, BAD))
    assert upstream.calls == []


def test_a_malformed_body_never_initialises(gateway: Gateway, upstream: Upstream) -> None:
    for what, body in MALFORMED.items():
        reply = gateway.client.request("GET", "/userlevel/7", content=body, headers=JSON)
        assert answered(reply) == (200, MEMBER.failure(1001, BAD)), what
    assert upstream.calls == []


BAD_QUERIES = [
    "a&" * 1001,
    "a=%FF",
    "a=%",
    "a=%4",
    "%zz=1",
    "a=%ED%A0%80",
    "a=%C0%80",
    "%E4%B8=1",
    "a=%E4%C2%80%B8%AD",
]


def test_a_malformed_query_is_a_parameter_error(gateway: Gateway, upstream: Upstream) -> None:
    for query in BAD_QUERIES:
        for path, family in ((f"/show?{query}", MEMBER), (f"{SHOP}&{query}", SHOP_PAGE)):
            answer = gateway.raw(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), query[:12]
            assert body.decode() == family.failure(1001, BAD), query[:12]
    assert upstream.calls == []


def test_a_malformed_form_is_a_parameter_error(gateway: Gateway, upstream: Upstream) -> None:
    for form in (*BAD_QUERIES, '{"vipLevel":1', "{a}=1&vipLevel=1"):
        reply = gateway.client.post("/vipBiz", content=form.encode(), headers=FORM)
        assert answered(reply) == (200, MEMBER.failure(1001, BAD)), form[:12]
    assert upstream.calls == []


MALFORMED_USERS = [
    *(("GET", user) for user in ("%FF", "100%", "%4", "%zz", "%ED%A0%80")),
    *(("POST", "show/%FF"), ("POST", "points/%FF"), ("GET", "history/%FF"), ("GET", "at/%FF")),
]


def test_a_malformed_user_is_named(gateway: Gateway, upstream: Upstream) -> None:
    for method, user in MALFORMED_USERS:
        request = f"{method} /userlevel/{user} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"
        answer = gateway.raw(request.encode())
        assert answer.endswith(MEMBER.failure(1001, f"{BAD}: userId").encode()), user
    assert upstream.calls == []
