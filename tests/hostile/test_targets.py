"""Paths, Host values and headers a client has no business with: a constant path goes upstream, or nothing does."""

import random
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from support.front import DOORS, Front, assert_nothing_got_through, fronted

pytestmark = pytest.mark.anyio
SEED = 500
OTHERS = (
    b"/v1/organizations",
    b"/v1/files",
    b"/v1/messages/batches",
    b"/v1/complete",
    b"/v1/models/x",
    b"/api/oauth/usage",
    b"/v1/oauth/token",
    b"/api/claude_cli_profile",
    b"/smuggled",
    b"/v1/skills",
    b"/v1/messages/count_tokens/x",
    b"/.openclaude/status",
    b"/metrics",
    b"/health",
)
"""Paths that exist at the Anthropic API or might exist here; none of them is in the table."""


def tricks(base: bytes) -> Iterator[bytes]:
    """Ways to write one path so that somebody else reads another one."""
    path = b"/v1/messages"
    for other in OTHERS:
        yield base + other
        for up in (
            b"/..",
            b"/../..",
            b"/%2e%2e",
            b"/.%2e",
            b"/..;",
            b"/..%2f",
            b"/..%5c",
            b"/%252e%252e",
            b"/..\\",
            b"/./..",
        ):
            yield base + path + up + other
        for gap in (
            b"//",
            b"/;/",
            b"/./",
            b"/%2f",
            b"\\",
            b"/%5c",
            b";",
            b"%3b",
            b"%00",
            b"%0d%0a",
            b"%20",
            b"%09",
            b"?",
            b"%3f",
            b"%23",
            b"@",
            b":443",
            b"%ff",
        ):
            yield base + path + gap + other[1:]
    for number, code in enumerate(path):
        yield base + path[:number] + b"%%%02x" % code + path[number + 1 :]
        yield base + path[:number] + b"%%%02X" % code + path[number + 1 :]
        yield base + path[:number] + b"%%25%02x" % code + path[number + 1 :]
        yield base + path[:number] + bytes([code ^ 0x20]) + path[number + 1 :]
        yield base + path[:number] + path[number + 1 :]
        yield base + path[:number] + path[number : number + 1] * 2 + path[number + 1 :]
    for start in (b"/", b"//", b"/.", b"/./", b"/../", b"/%2e/", b"", b"/x/../", b"/%00", b"/;"):
        yield start + base.lstrip(b"/") + path
        yield base + start + path
        yield base + path + start
    if base:
        for wrong in (
            base.upper(),
            base[:-1],
            base + b"0",
            base[:-1] + b"%%%02x" % base[-1],
            b"/" + quote(base[1:]).encode() + b"x",
            b"/x" + base,
        ):
            yield wrong + path
    for session in (
        b"/s-0123456789ab",
        b"/s-0123456789AB",
        b"/s-",
        b"/s-0123456789abc",
        b"/s-0123456789ab/s-0123456789ab",
    ):
        yield base + session + path
        yield session + base + path


def drawn(base: bytes, count: int) -> Iterator[bytes]:
    """Good paths with random changes, by a fixed seed."""
    draw = random.Random(SEED)
    words = [
        b"/",
        b"//",
        b".",
        b"..",
        b"%2f",
        b"%2e",
        b";",
        b"?",
        b"&",
        b"=",
        b"\\",
        b"v1",
        b"messages",
        b"smuggled",
        b"%",
        b"%zz",
        b"beta=true",
        b"@",
        b":",
        b"~",
        b"+",
        b"*",
    ]
    for _ in range(count):
        path = bytearray(
            draw.choice((b"/v1/messages", b"/v1/messages?beta=true", b"/v1/messages/count_tokens"))
        )
        for _ in range(draw.choice((1, 2, 3))):
            at = draw.randrange(len(path) + 1)
            path[at:at] = draw.choice(words)
        yield base + bytes(path)


def paths(front: Front) -> list[bytes]:
    return list(dict.fromkeys([*tricks(front.base), *drawn(front.base, 250)]))


def post(front: Front, target: bytes, *lines: bytes) -> bytes:
    body = front.message()
    head = [
        b"POST " + target + b" HTTP/1.1",
        *front.ordinary(),
        *lines,
        b"Content-Length: %d" % len(body),
        b"",
        b"",
    ]
    return b"\r\n".join(head) + body


@pytest.mark.parametrize("door", DOORS)
async def test_no_path_but_those_of_the_table_reaches_a_provider(door: str, tmp_path: Path) -> None:
    async with fronted(tmp_path, door) as front:
        targets = paths(front)
        assert len(targets) >= 500
        said = await front.converse_all(post(front, target) for target in targets)
        assert_nothing_got_through(front, [repr(target) for target in targets], said)
        answered = {target for target, one in zip(targets, said, strict=True) if one.statuses == [200]}
        served = {b"/v1/messages", b"/v1/messages?beta=true", b"/v1/messages/count_tokens"}
        assert {
            target.replace(b"/s-0123456789ab", b"").removeprefix(front.base) for target in answered
        } <= served
        assert len(front.upstream()) == len(answered)


METHODS = (b"GET", b"POST", b"HEAD")
ENDPOINTS = (
    b"/v1/messages",
    b"/v1/messages/count_tokens",
    b"/v1/models",
    b"/api/hello",
    b"/.openclaude/identify?nonce=" + b"0" * 32,
    b"/",
)


def hosts(port: int) -> list[bytes]:
    """60 values that do not name the gateway, though many of them lead to it."""
    number = b"%d" % port
    names = [
        b"127.0.0.1",
        b"localhost",
        b"127.1",
        b"127.0.0.2",
        b"0.0.0.0",
        b"[::1]",
        b"[::ffff:127.0.0.1]",
        b"[0:0:0:0:0:0:0:1]",
        b"2130706433",
        b"0x7f.1",
        b"0x7f000001",
        b"017700000001",
        b"127.0.1",
        b"127.000.000.001",
        b"localhost.",
        b"LOCALHOST",
        b"Localhost",
        b"localhost.localdomain",
        b"ip6-localhost",
        b"evil.example",
        b"127.0.0.1.evil.example",
        b"evil.example#127.0.0.1",
        b"127.0.0.1.nip.io",
        b"localtest.me",
        b"api.anthropic.com",
        b"user@127.0.0.1",
        b"127.0.0.1@evil.example",
        b"127.0.0.1, evil.example",
        b"evil.example, 127.0.0.1",
        b"host.docker.internal",
        b"127.0.0.1\x80",
        b"\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1",
        b"\xe2\x93\x9bocalhost",
        b"xn--localhost",
        b"localhost%00",
        b"127.0.0.1%2f",
        b"http://127.0.0.1",
        b"http://localhost",
        b"//127.0.0.1",
        b"127.0.0.1/",
        b"127.0.0.1\\",
        b"127.0.0.1;",
        b"[127.0.0.1]",
        b"127.0.0.1 ",
        b" ",
        b"-",
        b"*",
    ]
    ports = [
        b"127.0.0.1:0",
        b"127.0.0.1:",
        b"127.0.0.1:%d" % (port + 1),
        b"127.0.0.1:+" + number,
        b"127.0.0.1:0" + number,
        b"127.0.0.1:" + number + b"x",
        b"127.0.0.1:80",
        b"127.0.0.1:443",
        b"localhost:",
        b"127.0.0.1:" + number + b":" + number,
        b"127.0.0.1::" + number,
        b"",
        b"127.0.0.1:" + number + b"/",
    ]
    return [name + b":" + number for name in names if name not in {b"127.0.0.1", b"localhost"}] + [
        b"127.0.0.1",
        b"localhost",
        *ports,
    ]


@pytest.mark.parametrize("door", DOORS)
async def test_no_other_host_is_served_on_any_path(door: str, tmp_path: Path) -> None:
    async with fronted(tmp_path, door) as front:
        values = hosts(front.port)
        assert len(set(values)) >= 60
        cases: dict[str, bytes] = {}
        for value in values:
            for path in ENDPOINTS:
                method = b"POST" if b"messages" in path else b"GET"
                base = b"" if path.startswith(b"/.") else front.base
                lines = [method + b" " + base + path + b" HTTP/1.1", b"Host: " + value, *front.ordinary()[1:]]
                body = front.message() if method == b"POST" else b""
                lines.append(b"Content-Length: %d" % len(body))
                cases[f"{value!r} {path!r}"] = b"\r\n".join([*lines, b"", b""]) + body
        said = await front.converse_all(cases.values())
        assert_nothing_got_through(front, list(cases), said)
        assert {status for one in said for status in one.statuses} <= {400, 421}
        assert front.upstream() == ()
        for value in (b"127.0.0.1:%d" % front.port, b"localhost:%d" % front.port):
            good = b"GET %b/v1/models HTTP/1.1\r\nHost: %b\r\n\r\n" % (front.base, value)
            assert (await front.converse(good)).statuses == [200]


ALLOWED = ("accept", "accept-encoding", "accept-language", "content-type", "user-agent", "x-app")
PREFIXES = ("anthropic-", "x-claude-code-", "x-stainless-")
OWN = {"host", "content-length", "authorization"}


def header_lines() -> list[bytes]:
    """200 headers that must not arrive, or must arrive unchanged."""
    names = [
        "Cookie", "Set-Cookie", "Proxy-Authorization", "Proxy-Connection", "Keep-Alive", "TE", "Trailer", "Via", "Forwarded", "X-Forwarded-For",
        "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-Method-Override",
        "X-Host", "X-Amz-Security-Token", "X-Amz-Date", "X-Amz-Target", "X-Goog-Api-Key", "Api-Key", "X-Auth-Token", "X-Access-Token", "X-CSRF-Token",
        "X-Litellm-Api-Key", "X-Openclaude-Session", "CF-Connecting-IP", "CF-Ray", "True-Client-IP", "Client-IP", "Max-Forwards", "Range", "If-Match",
        "If-None-Match", "If-Modified-Since", "If-Range", "Referer", "DNT", "Pragma", "Cache-Control", "Date", "From", "Warning", "Accept-Charset",
        "Traceparent", "Tracestate", "Baggage", "X-Request-Id", "X-Correlation-Id", "X-B3-Traceid", "X-Api-Version", "OpenAI-Organization", "Alt-Used",
        "Early-Data", "Priority", "Upgrade-Insecure-Requests", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Sec-CH-UA", "Access-Control-Request-Method",
        "X-Envoy-Original-Path", "X-Envoy-Internal", "X-Accel-Redirect", "X-Sendfile", "X-Anthropic", "Anthropic", "XAnthropic-Beta", "X-Claude", "X-Stainless",
        "Content-MD5", "Content-Location", "Content-Range", "Content-Disposition", "Authorization-", "X-Authorization", "Authentication", "WWW-Authenticate",
    ]  # fmt: skip
    lines = [f"{name}: hostile-value" for name in names]
    lines += [f"{name.lower()}: hostile-value" for name in names[:40]]
    lines += [f"X-Hostile-{number}: hostile-value" for number in range(40)]
    lines += [f"Connection: {name}\r\n{name}: hostile-value" for name in names[:41]]
    return [line.encode() for line in lines]


@pytest.mark.parametrize("door", DOORS)
async def test_only_allowlisted_headers_arrive_whatever_is_sent(door: str, tmp_path: Path) -> None:
    lines = header_lines()
    assert len(set(lines)) >= 200
    async with fronted(tmp_path, door) as front:
        said = await front.converse_all(post(front, front.base + b"/v1/messages", line) for line in lines)
        assert_nothing_got_through(front, [repr(line) for line in lines], said)
        assert {one.statuses[0] for one in said} == {200}
        assert len(front.upstream()) == len(lines)
        for row in front.upstream():
            arrived = {name.decode().lower() for name, _ in row.headers}
            assert {name for name in arrived - OWN - set(ALLOWED) if not name.startswith(PREFIXES)} == set()
            assert b"hostile-value" not in b"".join(value for _, value in row.headers)
