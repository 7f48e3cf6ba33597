"""A gateway without sockets whose Claude routes have a fallback: Opus on Bedrock, then Qwen there, as far as it is named."""

import json
from typing import Any

from fakes.transport import FakeCall
from openclaude.adapters.anthropic import AnthropicAdapter
from openclaude.adapters.bedrock_converse import ConverseAdapter
from openclaude.adapters.bedrock_invoke import InvokeAdapter
from openclaude.adapters.profiles import profile_for
from openclaude.credentials.policies import Passthrough, SignFor
from openclaude.domain.http import Header
from openclaude.domain.routes import RouteTable
from openclaude.gateway.pipeline import Pipeline
from openclaude.gateway.plan import PREFIX
from openclaude.gateway.routes import Fallback, PassthroughRoute, Route, SignedRoute
from support.gateway import QWEN, Gateway, watched

OPUS, SONNET = "claude-opus-5-5", "claude-sonnet-5-5"
ON_BEDROCK = "opus-on-bedrock"
BEDROCK_OPUS = "us.anthropic.claude-opus-5-5"
HOUR = 3600
OVERLOADED = json.dumps(
    {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
).encode()
LIMIT = json.dumps({"type": "error", "error": {"type": "rate_limit_error", "message": "limit"}}).encode()
ANSWER = json.dumps(
    {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": OPUS,
        "content": [{"type": "text", "text": "hello"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 5, "output_tokens": 2},
    }
).encode()
WHOLE = json.dumps(
    {
        "output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10},
    }
).encode()


class FallbackGateway(Gateway):
    """`names` is the fallback of the Claude route, `of_qwen` that of the haiku slot's; `elsewhere` is its `when_unsupported`."""

    def __init__(
        self,
        *names: str,
        spill_at: float | None = None,
        of_qwen: tuple[str, ...] = (),
        elsewhere: str = "",
    ) -> None:
        super().__init__()
        signing = SignFor(region="us-west-2")
        invoke = InvokeAdapter(
            route="bedrock", model_id=BEDROCK_OPUS, region="us-west-2", profile=profile_for(BEDROCK_OPUS)
        )
        converse = ConverseAdapter(
            route="bedrock", model_id=QWEN, region="us-west-2", profile=profile_for(QWEN)
        )
        own = Fallback(names, spill_at) if names else None
        qwens = Fallback(of_qwen) if of_qwen else None
        routes: list[tuple[str, Route]] = [
            ("claude-*", PassthroughRoute("anthropic", Passthrough(), AnthropicAdapter(), fallback=own)),
            (
                ON_BEDROCK,
                SignedRoute("bedrock", signing, invoke, self.keys, BEDROCK_OPUS, None, watched(BEDROCK_OPUS)),
            ),
            (
                "qwen-3-coder",
                SignedRoute(
                    "bedrock", signing, converse, self.keys, QWEN, None, watched(QWEN, elsewhere), qwens
                ),
            ),
        ]
        self.pipeline = Pipeline(RouteTable(routes), self.services, [], {"haiku": "qwen-3-coder"})

    @property
    def told(self) -> list[tuple[str, dict[str, str]]]:
        """The events in the log."""
        return self.log.events

    @property
    def calls(self) -> list[FakeCall]:
        return self.transport.calls

    @property
    def where(self) -> list[str]:
        """The host of each call so far, up to its first dot."""
        return [call.authorized.origin.host.partition(".")[0] for call in self.transport.calls]

    def first(self, model: str = OPUS, **extra: Any) -> FakeCall:
        """Ask, and expect the request to be sent somewhere."""
        call = self.ask(model, **extra)
        assert call is not None
        return call

    def seconds(self) -> float:
        return self.clock.now().timestamp()

    def limit(self, claim: str = "five_hour", *, after: float = HOUR) -> list[Header]:
        """The headers of a plan that is used up, until so many seconds from now."""
        return plan(status="rejected", reset=int(self.seconds() + after), representative_claim=claim)

    def usage(self, used: float, *, after: float = HOUR) -> list[Header]:
        """The headers of a plan whose five hours are used to this share."""
        return [
            *plan(status="allowed"),
            (PREFIX + b"5h-utilization", str(used).encode()),
            (PREFIX + b"5h-reset", str(int(self.seconds() + after)).encode()),
        ]


def plan(**fields: object) -> list[Header]:
    return [(PREFIX + name.replace("_", "-").encode(), str(value).encode()) for name, value in fields.items()]
