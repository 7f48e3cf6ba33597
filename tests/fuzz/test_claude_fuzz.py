"""Any Messages request to Claude on AWS, by InvokeModel and by the Messages endpoint: valid or refused in words."""

import json
from typing import Any

from anthropic.types.beta import BetaMessageParam
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from openclaude.adapters.bedrock_invoke import InvokeAdapter
from openclaude.adapters.bedrock_invoke.adapter import ClaudeAdapter, ClaudeCall
from openclaude.adapters.bedrock_messages import MessagesAdapter
from openclaude.adapters.profiles import named
from openclaude.domain.errors import ApiError
from openclaude.explain.requests import against_profile
from openclaude.explain.targets import choose
from openclaude.simulator.claude_rules import body_problems
from support.converse_check import check_invoke
from support.fuzzing import TARGETS, examples, prepared
from support.made_up_requests import CONTENT, ODD_AT_TOP, VALID_AT_TOP, lasting, sessions, wire

REGION = "us-east-1"
OTHERS = (
    ("claude-invoke", "us.anthropic.claude-haiku-4-5-20251001-v1:0"),
    ("claude-5", "us.anthropic.claude-opus-5-5"),
)
MODELS = st.sampled_from([*OTHERS, *(target for target in TARGETS if target[0].startswith("claude-"))])
VIAS = st.sampled_from(["invoke", "messages"])
HEADINGS = st.sampled_from(
    [{}, {"version": b"2026-10-21", "betas": b"compact-2026-01-12,nonsense,\xff,tool-search-tool-2025-10-19"}]
)
MESSAGE: TypeAdapter[Any] = TypeAdapter(BetaMessageParam)
OWN = ("custom.name: String should match pattern", "A maximum of 4 blocks with cache_control")
"""What the client's own list of tools or marks is refused for by the Anthropic API as well."""
BEYOND = {
    "invoke": ("Input tag 'compaction'",),
    "messages": ("Input tag 'compaction'", "Input tag 'web_search_", "input_examples: Extra inputs"),
}
"""What the simulator's rules do not know: a beta, and what runs at the Messages endpoints only."""
REFUSALS = st.sampled_from(
    [
        "max_tokens: 2000 > 600, which is the maximum allowed number of output tokens",
        "max_tokens: 2000 > 1",
        "tools.0.custom.defer_loading: Extra inputs are not permitted",
        "messages.0.content.0.cache_control.ttl: Extra inputs are not permitted",
        "output_config.format: Extra inputs are not permitted",
        "thinking.enabled.display: Extra inputs are not permitted",
        "metadata: Extra inputs are not permitted",
        "context_management: Extra inputs are not permitted",
        "Schema is too complex",
        "invalid beta flag",
        '"thinking.type.enabled" is not supported for this model.',
        "`temperature` and `top_p` cannot both be specified for this model.",
    ]
)


def adapter(target: tuple[str, str], via: str) -> ClaudeAdapter:
    profile, model_id = named(target[0]), target[1]
    if via == "invoke":
        return InvokeAdapter(route="fuzzed", model_id=model_id, region=REGION, profile=profile)
    return MessagesAdapter(model_id=model_id, region=REGION, profile=profile)


def check_call(call: ClaudeCall, model_id: str, via: str) -> None:
    if call.local_answer is not None:
        assert json.loads(call.local_answer)["type"] == "message"
        return
    body = json.loads(call.body)
    assert problems_of(model_id, body, via) == []
    if via == "invoke":
        check_invoke(call.operation, model_id, call.body)


def problems_of(model_id: str, body: Any, via: str) -> list[str]:
    """What Claude refuses in a body, but for the client's own mistakes at its top level and what has its beta."""
    found = body_problems(model_id, body, enveloped=via == "messages") + shape_problems(body)
    return [problem for problem in found if not any(text in problem for text in (*OWN, *BEYOND[via]))]


def shape_problems(body: Any) -> list[str]:
    """What the official SDK's types do not allow in the history's blocks."""
    found: list[str] = []
    for message in body["messages"]:
        blocks = message["content"] if isinstance(message["content"], list) else []
        inner = [part for block in blocks if block["type"] == "tool_result" for part in parts_of(block)]
        for block in [*blocks, *inner] if message["role"] != "system" else ():
            try:
                list(MESSAGE.validate_python({"role": "user", "content": [block]}, strict=True)["content"])
            except ValidationError as error:
                found.append(f"{block}: {error}")
    return found


def parts_of(result: Any) -> list[Any]:
    """The parts of a tool result that are blocks in their own right too."""
    content = result.get("content")
    parts = content if isinstance(content, list) else []
    return [part for part in parts if part["type"] != "tool_reference"]


def leaves_only_server_tools(body: Any, refusal: ApiError) -> bool:
    return "runs on Anthropic's servers" in refusal.message and bool(body.get("tools"))


@examples()
@given(body=VALID_AT_TOP, target=MODELS, via=VIAS, heading=HEADINGS)
def test_content_never_is_a_reason_to_refuse_and_what_is_sent_is_valid(
    body: Any, target: tuple[str, str], via: str, heading: dict[str, bytes]
) -> None:
    call = prepared(lambda: adapter(target, via).prepare(wire(body), **heading))
    if isinstance(call, ApiError):
        assert leaves_only_server_tools(body, call), call.message
    else:
        check_call(call, target[1], via)


@examples(0.25)
@given(body=ODD_AT_TOP, target=MODELS, via=VIAS)
def test_any_json_is_served_validly_or_refused_in_words(body: Any, target: tuple[str, str], via: str) -> None:
    call = prepared(lambda: adapter(target, via).prepare(wire(body)))
    if not isinstance(call, ApiError):
        check_call(call, target[1], via)


@examples(0.1)
@given(body=VALID_AT_TOP, target=MODELS, via=VIAS)
def test_the_same_request_always_becomes_the_same_bytes_and_explain_shows_them(
    body: Any, target: tuple[str, str], via: str
) -> None:
    raw = wire(body)
    shared = adapter(target, via)
    try:
        first = shared.prepare(raw)
    except ApiError:
        return
    assert first.body == shared.prepare(raw).body == adapter(target, via).prepare(raw).body
    if first.local_answer is None and via == "invoke":
        shown = against_profile(
            raw, choose(profile=target[0], model_id=target[1], region=REGION, operation=first.operation)
        )
        assert shown["body"] == json.loads(first.body)


@examples(0.1)
@given(body=VALID_AT_TOP, target=MODELS, via=VIAS, refusals=st.lists(REFUSALS, min_size=1, max_size=3))
def test_what_is_learned_from_a_refusal_leaves_a_valid_request(
    body: Any, target: tuple[str, str], via: str, refusals: list[str]
) -> None:
    learning = adapter(target, via)
    try:
        call: ClaudeCall | None = learning.prepare(wire(body))
    except ApiError:
        return
    for text in refusals:
        assert call is not None
        assume(call.local_answer is None)
        headers = [(b"x-amzn-errortype", b"ValidationException")]
        call = call.retry_without(400, headers, json.dumps({"message": text}).encode())
        if call is None:
            break
        json.loads(call.body)
    check_call(learning.prepare(wire(body)), target[1], via)


@examples(0.1)
@given(before=sessions(), said=CONTENT, after=sessions(), target=MODELS, via=VIAS)
def test_a_later_turn_leaves_what_earlier_turns_became_unchanged(
    before: list[Any], said: Any, after: list[Any], target: tuple[str, str], via: str
) -> None:
    start = [*lasting(before), {"role": "user", "content": lasting(said)}]
    answer = {"role": "assistant", "content": [{"type": "text", "text": "so"}]}

    def sent(messages: list[Any]) -> list[Any]:
        request = {"model": "m", "max_tokens": 100, "messages": messages}
        return list(json.loads(adapter(target, via).prepare(wire(request)).body)["messages"])

    early, late = sent(start), sent([*start, answer, *lasting(after)])
    assert late[: len(early)] == early
