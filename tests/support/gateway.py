"""A gateway without sockets: the real pipeline between a fake client and a fake transport."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from fakes.client import FakeClient
from fakes.clock import FakeClock
from fakes.keys import FakeKeys
from fakes.log import FakeLog
from fakes.transport import FakeCall, FakeTransport
from openclaude.adapters.anthropic import AnthropicAdapter
from openclaude.adapters.bedrock_converse import ConverseAdapter
from openclaude.adapters.bedrock_converse.estimate import Estimator
from openclaude.adapters.profiles import profile_for
from openclaude.credentials.policies import Passthrough, SignFor
from openclaude.credentials.sealed import ClientCredential
from openclaude.domain.access import AccessRecord
from openclaude.domain.http import Endpoint, Header, InboundRequest, SafeHeaders
from openclaude.domain.routes import Condition, RouteTable
from openclaude.gateway.deciding import Watched
from openclaude.gateway.exchange import Services
from openclaude.gateway.needs import Ability
from openclaude.gateway.pipeline import Pipeline
from openclaude.gateway.routes import PassthroughRoute, Route, SignedRoute
from openclaude.gateway.translated import PING_EVERY
from openclaude.ports import Begun, Dialect

QWEN = "qwen.qwen3-coder-next"


def watched(model: str, elsewhere: str = "", *, safeguards: bool = False) -> Watched:
    """What becomes of requests that a Bedrock model cannot serve."""
    ability = Ability(lambda: profile_for(model), lambda profile: Estimator(profile, model))
    return Watched(ability, elsewhere, safeguards)


class Gateway:
    """Everything a test needs to hold a request's conversation by hand."""

    def __init__(
        self,
        *,
        qwen: str = QWEN,
        profile: str | None = None,
        adapter: Dialect | None = None,
        elsewhere: str = "",
        conditions: Mapping[int, Condition] = MappingProxyType({}),
    ) -> None:
        self.transport = FakeTransport()
        self.clock = FakeClock()
        self.log = FakeLog()
        self.keys = FakeKeys()
        adapter = adapter or ConverseAdapter(
            route="bedrock", model_id=qwen, region="us-west-2", profile=profile_for(qwen)
        )
        signing = SignFor(region="us-west-2")
        routes: list[tuple[str, Route]] = [
            ("claude-*", PassthroughRoute("anthropic", Passthrough(), AnthropicAdapter())),
            (
                "qwen-3-coder",
                SignedRoute("bedrock", signing, adapter, self.keys, qwen, profile, watched(qwen, elsewhere)),
            ),
        ]
        self.chance = 0.5
        self.services = Services(self.transport, self.clock, self.log, chance=lambda: self.chance)
        slots = {"haiku": "qwen-3-coder"}
        self.pipeline = Pipeline(
            RouteTable(routes, conditions), self.services, [("qwen-3-coder", "qwen-3-coder")], slots
        )
        self.client = FakeClient()

    def begin(
        self,
        *,
        length: int | None = None,
        endpoint: Endpoint = Endpoint.MESSAGES,
        query: bytes = b"?beta=true",
        headers: tuple[Header, ...] = (),
        login: bytes | None = b"Bearer login",
        session: str = "",
    ) -> Begun:
        self.client = FakeClient()
        request = InboundRequest("req_oc_test", endpoint, query, SafeHeaders(headers), length, session)
        credential = ClientCredential([(b"Authorization", login)]) if login is not None else None
        return self.pipeline.begin(request, credential, self.client)

    def waits(self) -> bool:
        """Whether anything is still to be woken; the one timer of all alarms runs out by itself."""
        waiting = len(self.services.alarms)
        self.clock.advance(PING_EVERY)
        return waiting + self.clock.pending > 0

    def ask(self, model: str, **extra: Any) -> FakeCall | None:
        """A small whole request; returns the provider's end of it, if it got that far."""
        endpoint = extra.pop("endpoint", Endpoint.MESSAGES)
        session = extra.pop("session", "")
        body = {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}], **extra}
        raw = json.dumps(body).encode()
        before = len(self.transport.calls)
        exchange = self.begin(length=len(raw), endpoint=endpoint, session=session)
        exchange.body(raw)
        exchange.body_complete()
        self.exchange = exchange
        return self.transport.calls[-1] if len(self.transport.calls) > before else None

    @property
    def end(self) -> tuple[int, dict[bytes, bytes], bytes, list[AccessRecord]]:
        """What the client got, and what the log says."""
        return self.client.status, self.client.headers, self.client.body, self.log.records

    @property
    def error(self) -> dict[str, Any]:
        """The client's error body."""
        return dict(json.loads(self.client.body)["error"])

    @property
    def events(self) -> list[str]:
        """The names of the server-sent events the client got."""
        lines = self.client.body.decode().split("\n")
        return [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
