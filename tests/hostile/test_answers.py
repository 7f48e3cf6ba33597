"""What a hostile or broken provider answers: nothing of it can steer the client."""

import gzip
from pathlib import Path

import pytest

from openclaude.simulator.replies import Framing, Raw, Reply
from support.front import OPUS, QWEN, Front, fronted

pytestmark = pytest.mark.anyio
REDIRECTS = (300, 301, 302, 303, 304, 305, 307, 308)
LOCATIONS = (
    "https://evil.example/v1/messages", "http://127.0.0.1:1/", "//evil.example/", "/v1/files", "https://api.anthropic.com/v1/messages", "javascript:x",
    "https://api.anthropic.com@evil.example/", "",
)  # fmt: skip
STRIPPED = (
    "Location", "Refresh", "Set-Cookie", "Set-Cookie2", "Alt-Svc", "Clear-Site-Data", "Strict-Transport-Security", "WWW-Authenticate", "Proxy-Authenticate",
    "Content-Location", "Link", "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Content-Security-Policy", "Connection", "Keep-Alive", "Upgrade",
    "Public-Key-Pins", "NEL", "Report-To", "Reporting-Endpoints", "X-Accel-Redirect", "X-Amzn-Trace-Id", "Trailer", "Via", "SourceMap", "Service-Worker-Allowed", "P3P",
)  # fmt: skip


async def ask(front: Front, model: str, count: int = 1) -> list[bytes]:
    body = front.message(model=model)
    said = await front.converse_all([front.head(b"Content-Length: %d" % len(body)) + body] * count)
    return [one.answer for one in said]


def answer_with(front: Front, reply: Reply) -> None:
    front.anthropic.script = lambda _: reply
    front.bedrock.script = lambda _: reply


@pytest.mark.parametrize("model", [OPUS, QWEN], ids=["anthropic", "bedrock"])
async def test_a_redirect_is_never_followed_and_never_relayed(model: str, tmp_path: Path) -> None:
    async with fronted(tmp_path) as front:
        for status in REDIRECTS:
            for location in LOCATIONS:
                before = len(front.upstream())
                headers = (
                    ("Location", location),
                    ("Refresh", f"0; url={location}"),
                    ("content-type", "text/html"),
                )
                answer_with(front, Reply(status, headers, [b""], Framing.LENGTH))
                (raw,) = await ask(front, model)
                assert raw.startswith(b"HTTP/1.1 502 ")
                assert b"location" not in raw.lower()
                assert b"refresh" not in raw.lower()
                assert not location or location.encode() not in raw
                assert len(front.upstream()) == before + 1


@pytest.mark.parametrize("model", [OPUS, QWEN], ids=["anthropic", "bedrock"])
@pytest.mark.parametrize("status", [200, 401, 500])
async def test_headers_that_steer_a_client_are_not_relayed(model: str, status: int, tmp_path: Path) -> None:
    async with fronted(tmp_path) as front:
        headers = tuple(
            (name, "steering-value") for name in STRIPPED if name not in {"Connection", "Upgrade", "Trailer"}
        )
        answer_with(
            front, Reply(status, (("content-type", "application/json"), *headers), [b"{}"], Framing.LENGTH)
        )
        (raw,) = await ask(front, model)
        assert b"steering-value" not in raw
        head = raw.partition(b"\r\n\r\n")[0].lower()
        names = {line.partition(b":")[0].decode() for line in head.split(b"\r\n")[1:]}
        assert names & {name.lower() for name in STRIPPED if name != "Connection"} == set()


SPLITS = (
    b"anthropic-a: a\x00b", b"anthropic-a: a\rSet-Cookie: b", b"anthropic-a: a\nSet-Cookie: b", b"anthropic-a: a\x0bb", b"anthropic-a\x00: b",
    b"anthropic-a : b", b": b", b"anthropic-a: \x7f", b" anthropic-a: b", b"Content-Length: 1\r\nContent-Length: 2", b"Transfer-Encoding: chunked\r\nContent-Length: 1",
    b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity", b"Content-Length: +1", b"Content-Length: 0x1", b"anthropic-a: \r\n b", b"anthropic(a: b",
    b"Upgrade: websocket\r\nConnection: Upgrade", b"\x00",
)  # fmt: skip


@pytest.mark.parametrize("model", [OPUS, QWEN], ids=["anthropic", "bedrock"])
async def test_a_head_that_could_be_read_in_two_ways_splits_no_answer(model: str, tmp_path: Path) -> None:
    async with fronted(tmp_path) as front:
        for line in SPLITS:
            answer_with(front, Reply(200, (), [Raw(b"")], Framing.CLOSE))
            raws = await split(front, model, line)
            assert raws.count(b"HTTP/1.1 ") <= 1, line
            assert b"set-cookie" not in raws.lower(), line
            assert b"\x00" not in raws, line
        assert front.reported == []


async def split(front: Front, model: str, line: bytes) -> bytes:
    """An answer whose head holds this line, written as it stands."""
    server = front.anthropic if model == OPUS else front.bedrock
    server._handler = lambda row, body: Reply(
        200, ((f"x-a: b\r\n{line.decode('latin-1')}\r\nx-b", "c"),), [b"{}"], Framing.CLOSE
    )
    (raw,) = await ask(front, model)
    return raw


async def test_a_bomb_is_relayed_as_it_is_and_never_unpacked(tmp_path: Path) -> None:
    async with fronted(tmp_path) as front:
        bomb = gzip.compress(b"\0" * (64 * 1024 * 1024))
        answer_with(
            front,
            Reply(
                200,
                (("content-encoding", "gzip"), ("content-type", "application/json")),
                [bomb],
                Framing.LENGTH,
            ),
        )
        (raw,) = await ask(front, OPUS)
        assert raw.partition(b"\r\n\r\n")[2].startswith(bomb)


async def test_a_compressed_request_is_refused_before_a_byte_of_it_is_read(tmp_path: Path) -> None:
    async with fronted(tmp_path) as front:
        body = gzip.compress(front.message())
        head = front.head(b"Content-Encoding: gzip", b"Content-Length: %d" % len(body))
        said = await front.converse(head + body)
        assert said.statuses == [415]
        assert b"CLAUDE_CODE_GZIP_REQUEST_BODIES" in said.raw
        assert front.upstream() == ()
