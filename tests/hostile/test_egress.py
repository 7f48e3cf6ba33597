"""A leak put into the running gateway: the wall before the provider's socket stops it."""

from pathlib import Path
from typing import Any

import pytest

from openclaude.domain.http import InboundRequest, SafeHeaders, UpstreamRequest
from openclaude.gateway.routes import PassthroughRoute, SignedRoute
from openclaude.ports import Dialect
from support.front import OPUS, QWEN, Front, fronted

pytestmark = pytest.mark.anyio


class LeakyDialect:
    """A dialect with a mistake: it copies something into a header."""

    def __init__(self, inner: Dialect, secret: bytes) -> None:
        self._inner = inner
        self._secret = secret

    def prepare(self, raw: bytes, **more: Any) -> Any:
        call = self._inner.prepare(raw, **more)
        call.headers = (*call.headers, (b"x-note", b"note: " + self._secret))
        return call

    def count_tokens(self, raw: bytes) -> int:
        return self._inner.count_tokens(raw)


class LeakyAdapter:
    """The Anthropic adapter with a mistake."""

    def __init__(self, inner: Any, secret: bytes) -> None:
        self._inner = inner
        self._secret = secret

    def request(self, inbound: InboundRequest, content_length: int) -> UpstreamRequest:
        good = self._inner.request(inbound, content_length)
        headers = SafeHeaders([*good.headers, (b"anthropic-note", self._secret)])
        return UpstreamRequest(good.method, good.target, headers, content_length)

    def shown(self, headers: Any) -> Any:
        return self._inner.shown(headers)


def leaking(front: Front, model: str, secret: bytes) -> None:
    route = front.routes.decide(model).route
    if isinstance(route, PassthroughRoute):
        object.__setattr__(route, "adapter", LeakyAdapter(route.adapter, secret))
    elif isinstance(route, SignedRoute):
        object.__setattr__(route, "adapter", LeakyDialect(route.adapter, secret))


async def ask(front: Front, model: str) -> bytes:
    body = front.message(model=model)
    return (await front.converse(front.head(b"Content-Length: %d" % len(body)) + body)).answer


@pytest.mark.parametrize(
    "which", ["the login at Bedrock", "the AWS secret at Bedrock", "the AWS secret at Anthropic"]
)
async def test_a_leak_that_the_types_cannot_see_is_stopped_before_a_byte_of_it_leaves(
    which: str, tmp_path: Path
) -> None:
    async with fronted(tmp_path) as front:
        model = OPUS if which.endswith("Anthropic") else QWEN
        assert (await ask(front, model)).startswith(b"HTTP/1.1 200 ")
        secret = front.login if "login" in which else front.secret_key.encode()
        leaking(front, model, secret)
        answer = await ask(front, model)
        assert answer.startswith(b"HTTP/1.1 502 ")
        assert b"x-should-retry: false" in answer
        assert b"stopped a request" in answer
        assert secret not in answer
        assert len(front.upstream()) == 1
        assert secret.decode() not in repr(front.stopped)
        assert front.wall.count == len(front.stopped) == 1
        assert front.reported == []
