"""Whole answers: content, stop reasons and usage."""

import copy
from typing import Any

import pytest
from anthropic.types.beta import BetaMessage

from openclaude.adapters.bedrock_converse.pieces import Notes
from openclaude.adapters.bedrock_converse.response import ResponseState, message, message_id
from openclaude.adapters.bedrock_converse.synthesis import synthesized
from openclaude.domain.errors import ApiError
from openclaude.domain.usage import Usage
from support.bedrock_cases import sse_events
from support.converse_streams import check_grammar

USAGE = {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}


def answered(
    *content: Any, reason: str = "end_turn", state: dict[str, Any] | None = None, **more: Any
) -> tuple[Any, Any]:
    notes = Notes()
    body = {
        "output": {"message": {"role": "assistant", "content": list(content)}},
        "stopReason": reason,
        "usage": USAGE,
        **more,
    }
    found, _ = message(body, ResponseState(model="m", route="r", **(state or {})), "msg_1", notes)
    BetaMessage.model_validate(found)
    return found, notes.codes()


def cited(location: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "citationsContent": {
            "content": [{"text": "a"}, {"text": "b"}],
            "citations": [{"location": location, **more}],
        }
    }


@pytest.mark.parametrize(
    ("block", "becomes", "notes"),
    [
        ({"text": " \n"}, [], ()),
        ({"text": "see <function=x>"}, [{"type": "text", "text": "see <function=x>"}], ("tool_call_in_text",)),
        ({"image": {}}, [], ("block_dropped:image",)),
        ({}, [], ("block_dropped:untyped",)),
        ({"toolUse": {"toolUseId": "t", "name": "s", "input": {}, "type": "server_tool_use"}}, [],
         ("block_dropped:server_tool_use",)),
        ({"toolUse": {"toolUseId": "t", "name": "openclaude_no_tools", "input": {}}}, [], ("placeholder_call_removed",)),
        ({"reasoningContent": {"reasoningText": {"text": "hm"}}},
         [{"type": "thinking", "thinking": "hm", "signature": "openclaude.v1.r"}], ()),
        ({"reasoningContent": {"redactedContent": "b3BhcXVl"}}, [{"type": "redacted_thinking", "data": "opaque"}], ()),
        ({"reasoningContent": {"redactedContent": "\u00e9"}}, [{"type": "redacted_thinking", "data": ""}], ()),
        ({"reasoningContent": {}}, [], ()),
        ({"citationsContent": {"content": [{"text": " "}]}}, [], ()),
        (cited({"web": {"url": "u"}}), [{"type": "text", "text": "ab"}], ()),
    ],
    ids=[
        "blank-text", "leaked-call", "image", "empty", "system-tool", "placeholder", "unsigned", "redacted",
        "unreadable-blob", "no-reasoning", "blank-citation", "web-citation",
    ],
)  # fmt: skip
def test_a_block_becomes_its_messages_form(
    block: dict[str, Any], becomes: list[Any], notes: tuple[str, ...]
) -> None:
    found, codes = answered(block, state={"placeholder": "openclaude_no_tools"})
    assert found["content"] == becomes
    assert codes == notes


@pytest.mark.parametrize(
    ("location", "more", "becomes"),
    [
        ({"documentPage": {"documentIndex": 1, "start": 2, "end": 3}}, {"title": "D"},
         {"type": "page_location", "document_index": 1, "document_title": "D", "start_page_number": 2,
          "end_page_number": 3, "file_id": None}),
        ({"documentChunk": {"start": 4, "end": 5}}, {},
         {"type": "content_block_location", "document_index": 0, "document_title": None, "start_block_index": 4,
          "end_block_index": 5, "file_id": None}),
        ({"searchResultLocation": {"searchResultIndex": 6, "start": 7, "end": 8}}, {"source": "s", "title": "T"},
         {"type": "search_result_location", "search_result_index": 6, "source": "s", "title": "T",
          "start_block_index": 7, "end_block_index": 8}),
    ],
    ids=["page", "chunk", "search-result"],
)  # fmt: skip
def test_a_citation_keeps_its_place(
    location: dict[str, Any], more: dict[str, Any], becomes: dict[str, Any]
) -> None:
    found, _ = answered(cited(location, sourceContent=[{"text": "c"}], **more))
    assert found["content"] == [{"type": "text", "text": "ab", "citations": [{"cited_text": "c", **becomes}]}]


TOOL = {"toolUse": {"toolUseId": "t", "name": "grep", "input": '{"q": 1}'}}


@pytest.mark.parametrize(
    ("reason", "content", "more", "found", "notes"),
    [
        ("model_context_window_exceeded", {"text": "x"}, {}, ("model_context_window_exceeded", None), ()),
        ("brand_new", {"text": "x"}, {}, ("end_turn", None), ("stop_reason_unknown",)),
        ("brand_new", TOOL, {}, ("tool_use", None), ("stop_reason_unknown", "stop_reason_repaired")),
        ("stop_sequence", TOOL, {}, ("tool_use", None), ("stop_reason_repaired",)),
        ("stop_sequence", {"text": "x"}, {}, ("stop_sequence", None), ()),
        ("stop_sequence", {"text": "x"}, {"stop_sequences": ("END",)}, ("stop_sequence", "END"), ()),
        ("max_tokens", TOOL, {}, ("max_tokens", None), ()),
    ],
    ids=[
        "window",
        "unknown",
        "unknown-with-tool",
        "tool-at-a-stop",
        "one-of-several",
        "the-only-one",
        "cut-tool",
    ],
)
def test_a_stop_reason_never_contradicts_the_content(
    reason: str,
    content: dict[str, Any],
    more: dict[str, Any],
    found: tuple[str, str | None],
    notes: tuple[str, ...],
) -> None:
    got, codes = answered(content, reason=reason, state=more)
    assert ((got["stop_reason"], got["stop_sequence"]), codes) == (found, notes)


def test_the_input_of_a_call_is_an_object_even_if_it_came_as_text() -> None:
    assert answered(TOOL, reason="tool_use")[0]["content"][0]["input"] == {"q": 1}


@pytest.mark.parametrize("reason", ["malformed_tool_use", "malformed_model_output"])
def test_malformed_output_is_an_error_worth_a_retry(reason: str) -> None:
    with pytest.raises(ApiError) as failed:
        answered({"text": "x"}, reason=reason)
    assert (failed.value.status, failed.value.type, failed.value.retry) == (502, "api_error", True)
    assert reason in failed.value.message


@pytest.mark.parametrize(
    "call", [{"name": "grep"}, {"toolUseId": "t"}, {"toolUseId": 1, "name": "grep"}], ids=str
)
def test_a_call_the_client_could_not_answer_is_an_error_worth_a_retry(call: dict[str, Any]) -> None:
    with pytest.raises(ApiError, match="no name or no id") as failed:
        answered({"toolUse": {"input": {}, **call}}, reason="tool_use")
    assert (failed.value.status, failed.value.retry) == (502, True)


@pytest.mark.parametrize("body", [[], {}, {"output": {}}, {"output": {"message": 3}}], ids=str)
def test_an_answer_without_a_message_is_an_error(body: Any) -> None:
    with pytest.raises(ApiError, match="no Converse answer"):
        message(body, ResponseState(model="m"), "msg_1", Notes())


@pytest.mark.parametrize(
    ("usage", "more", "found"),
    [
        ({"inputTokens": 5}, {}, {"input_tokens": 5, "output_tokens": 0}),
        (None, {}, {"input_tokens": 0}),
        ({"inputTokens": -1, "outputTokens": True}, {}, {"input_tokens": 0, "output_tokens": 0}),
        (
            {"cacheWriteInputTokens": 9, "cacheDetails": [{"ttl": "5m", "inputTokens": 3}]},
            {},
            {"cache_creation": None},
        ),
        (USAGE, {"serviceTier": {"type": "flex"}}, {"service_tier": "standard"}),
        (USAGE, {"serviceTier": {"type": "priority"}}, {"service_tier": "priority"}),
        (USAGE, {"serviceTier": {"type": "new"}}, {"service_tier": None}),
    ],
    ids=["partial", "none", "nonsense", "parts-that-do-not-add-up", "flex", "priority", "unknown-tier"],
)
def test_usage_is_what_bedrock_counted_and_nothing_else(
    usage: Any, more: dict[str, Any], found: dict[str, Any]
) -> None:
    got, _ = answered({"text": "x"}, **{"usage": usage, **more})
    assert {key: got["usage"].get(key) for key in found} == found


def test_a_discarded_answer_is_empty_but_counted() -> None:
    body = {
        "output": {"message": {"content": [{"text": "x"}]}},
        "stopReason": "malformed_tool_use",
        "usage": USAGE,
    }
    found, usage = message(body, ResponseState(model="m", discard=True), "msg_1", Notes())
    assert (found["content"], found["stop_reason"]) == ([], "max_tokens")
    assert usage == Usage(input_tokens=1, output_tokens=2)


def test_a_message_without_an_upstream_id_is_named_after_the_gateway_s() -> None:
    assert message_id([(b"date", b"x")], "req_ab-c") == "msg_bdrk_abc"
    assert message_id([]) == "msg_bdrk_local"
    assert message_id([(b"X-Amzn-RequestId", b"1-2")], "req_ab-c") == "msg_bdrk_12"


EVERYTHING = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"text": "a"},
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
                {"reasoningContent": {"redactedContent": "b3BhcXVl"}},
                cited({"documentChar": {"documentIndex": 0, "start": 1, "end": 2}}, title="t", source="s"),
                cited({"searchResultLocation": {"searchResultIndex": 0, "start": 1, "end": 2}}),
                {"toolUse": {"toolUseId": "t", "name": "grep", "input": {"q": "a"}}},
            ],
        }
    },
    "stopReason": "tool_use",
    "usage": {**USAGE, "cacheWriteInputTokens": 3, "cacheDetails": [{"ttl": "5m", "inputTokens": 3}]},
    "serviceTier": {"type": "priority"},
    "additionalModelResponseFields": {"stop_sequence": "x"},
}
HOSTILE = (None, True, -1, 10**30, 1.5, "", "\u00e9", [], [[]], [None], {}, {"text": {}}, {"type": []})


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of everything in a JSON value."""
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [path, *(found for key, item in members for found in places(item, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    copied = copy.copy(value)
    copied[path[0]] = replaced(value[path[0]], path[1:], by)
    return copied


def outcome(body: Any) -> Any:
    try:
        return message(body, ResponseState(model="m"), "msg_1", Notes())[0]
    except ApiError as error:
        return error


def dumped(found: BetaMessage) -> dict[str, Any]:
    return found.model_dump(mode="json", exclude_none=True)


@pytest.mark.parametrize("path", places(EVERYTHING), ids=lambda path: "/".join(map(str, path)) or "body")
def test_an_answer_with_anything_anywhere_is_a_valid_message_streamed_or_not_or_an_error(
    path: tuple[Any, ...],
) -> None:
    for evil in HOSTILE:
        found = outcome(replaced(EVERYTHING, path, evil))
        if isinstance(found, ApiError):
            assert (found.status, found.retry) == (502, True)
        else:
            whole = BetaMessage.model_validate(found)
            emulated = check_grammar(sse_events(synthesized(found)))
            assert emulated is not None
            assert dumped(emulated) == dumped(whole)
