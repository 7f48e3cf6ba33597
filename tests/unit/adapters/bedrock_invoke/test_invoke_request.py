"""Messages bodies as Claude on Bedrock takes them: what passes, what changes, what stays behind."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaude.adapters.bedrock_invoke import translate
from openclaude.adapters.profiles import named, overridden
from openclaude.domain.errors import ApiError
from openclaude.simulator.claude_rules import body_problems
from openclaude.wire import jsontext
from support.bedrock_cases import fixture, fixtures
from support.claude_calls import OPUS, SONNET, asked, built
from support.messages_requests import PDF, PNG, REQUESTS, SURROGATE, sessions

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
URL_IMAGE = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
TOOL = {"name": "grep", "input_schema": {"type": "object", "properties": {}}}
USE = {"type": "tool_use", "id": "t1", "name": "grep", "input": {"q": 1}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "found"}
WEB_SEARCH = {"type": "web_search_20250305", "name": "web_search"}
SIGNED = {"type": "thinking", "thinking": "hm ", "signature": "c2ln"}
CALLED = [{"role": "user", "content": "go"}, {"role": "assistant", "content": [USE]}]


def said(*messages: tuple[str, Any], **more: Any) -> dict[str, Any]:
    return asked(messages=[{"role": role, "content": content} for role, content in messages], **more)


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def test_what_claude_knows_passes_as_it_came() -> None:
    body = {
        "max_tokens": 2000,
        "system": [{**text("Be brief."), "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [
            {"role": "user", "content": [text("look"), IMAGE]},
            {"role": "assistant", "content": [SIGNED, text("so"), USE]},
            {
                "role": "user",
                "content": [{**RESULT, "is_error": True, "cache_control": {"type": "ephemeral"}}],
            },
        ],
        "tools": [
            {**TOOL, "type": "custom", "description": "Search."},
            {"type": "bash_20250124", "name": "bash"},
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 1500},
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u"},
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    }
    found = built({"model": "alias", "stream": True, **copy.deepcopy(body)})
    assert found.body == {"anthropic_version": "bedrock-2023-05-31", **body}
    assert (found.operation, found.notes, found.streams) == ("InvokeModelWithResponseStream", (), True)


def test_a_translation_does_not_change_the_client_s_body() -> None:
    body = json.loads(fixture("main_qwen_toolsearch_result"))
    body = body.get("body", body)
    before = copy.deepcopy(body)
    built(body, profile=named("claude-5"), model_id=OPUS)
    assert body == before


@pytest.mark.parametrize(
    "name", [name for name in fixtures() if name not in ("count_tokens", "websearch_server_tool_qwen")]
)
def test_every_request_of_the_real_client_becomes_one_bedrock_takes(name: str) -> None:
    raw = json.loads(fixture(name))
    found = built(raw.get("body", raw), profile=named("claude-5"), model_id=OPUS)
    assert "context_management" not in found.body
    assert not any(note.startswith("block_dropped") for note in found.notes)


@pytest.mark.parametrize(
    ("client", "model_id", "sent"),
    [
        (b"2023-06-01", OPUS, "bedrock-2023-05-31"),
        (b"2026-10-21", OPUS, "2026-10-21"),
        (b"2026-10-21", SONNET, "bedrock-2023-05-31"),
        (b"", OPUS, "bedrock-2023-05-31"),
    ],
    ids=["the client's", "new for a new model", "new for an old model", "none"],
)
def test_the_version_keeps_the_meaning_the_client_expects(client: bytes, model_id: str, sent: str) -> None:
    assert built(asked(), model_id=model_id, version=client).body["anthropic_version"] == sent


def test_a_base_model_tells_the_version_an_arn_hides() -> None:
    arn = "arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/ab12"
    profile = overridden(named("claude-5"), base_model=OPUS)
    found = translate(asked(thinking={"type": "enabled", "budget_tokens": 9000}), profile, model_id=arn)
    assert found.body["thinking"] == {"type": "adaptive"}
    assert found.body["output_config"] == {"effort": "medium"}


@pytest.mark.parametrize(
    ("model_id", "asked_for", "sent"),
    [
        ("anthropic.claude-opus-4-5-20251101-v1:0", "max", "high"),
        (SONNET, "max", "max"),
        ("us.anthropic.claude-opus-4-8", "max", "xhigh"),
        ("us.anthropic.claude-sonnet-5", "max", "xhigh"),
        (OPUS, "max", "max"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "low", None),
        (SONNET, "enormous", None),
    ],
)
def test_an_effort_stays_under_the_model_s_ceiling(model_id: str, asked_for: str, sent: str | None) -> None:
    config = built(asked(output_config={"effort": asked_for, "task_budget": 3}), model_id=model_id).body.get(
        "output_config"
    )
    assert config == ({"effort": sent} if sent else None)


@pytest.mark.parametrize(
    ("budget", "effort"), [(1024, "low"), (4096, "low"), (4097, "medium"), (16384, "medium"), (31999, "high")]
)
def test_a_thinking_budget_becomes_an_effort_where_thinking_is_adaptive_only(
    budget: int, effort: str
) -> None:
    body = built(asked(thinking={"type": "enabled", "budget_tokens": budget}), model_id=OPUS).body
    assert (body["thinking"], body["output_config"]) == ({"type": "adaptive"}, {"effort": effort})


def test_an_effort_the_client_names_wins_over_its_budget() -> None:
    body = asked(thinking={"type": "enabled", "budget_tokens": 1024}, output_config={"effort": "max"})
    assert built(body, model_id=OPUS).body["output_config"] == {"effort": "max"}


def test_adaptive_thinking_becomes_a_budget_where_the_model_does_not_know_it() -> None:
    haiku = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
    body = asked(
        thinking={"type": "adaptive", "display": "omitted"}, output_config={"effort": "low"}, max_tokens=9000
    )
    assert built(body, model_id=haiku).body["thinking"] == {"type": "enabled", "budget_tokens": 4096}


def test_thinking_that_displays_updates_needs_its_beta() -> None:
    body = asked(thinking={"type": "adaptive", "display": "updates"})
    flag = b"thinking-display-updates-2026-08-18"
    assert built(body).body["thinking"] == {"type": "adaptive"}
    assert built(body, betas=flag).body["thinking"] == {"type": "adaptive", "display": "updates"}


def test_sampling_is_left_to_models_that_refuse_it() -> None:
    sampling = {"temperature": 0.5, "top_p": 0.9, "top_k": 5}
    new, old = built(asked(**sampling), model_id=OPUS), built(asked(**sampling))
    assert new.notes == ("temperature_dropped", "top_p_dropped", "top_k_dropped")
    assert not sampling.keys() & new.body.keys()
    assert (old.body["temperature"], old.body["top_k"], old.notes) == (0.5, 5, ("top_p_dropped",))
    thinking = built(asked(**sampling, thinking={"type": "adaptive"}))
    assert not sampling.keys() & thinking.body.keys()


def test_a_temperature_out_of_range_is_brought_into_it() -> None:
    found = built(asked(temperature=1.7))
    assert (found.body["temperature"], found.notes) == (1, ("temperature_clamped",))


def test_more_tokens_than_the_model_writes_are_lowered_with_a_note() -> None:
    found = built(asked(max_tokens=128000))
    assert (found.body["max_tokens"], found.notes) == (64000, ("max_tokens_clamped",))


@pytest.mark.parametrize(
    ("edits", "sent", "flags"),
    [
        ([{"type": "clear_thinking_20251015", "keep": "all"}], None, None),
        ([{"type": "compact_20260112"}], [{"type": "compact_20260112"}], ["compact-2026-01-12"]),
        (
            [{"type": "clear_tool_uses_20250919", "keep": 3}, {"type": "clear_thinking_20251015"}],
            [{"type": "clear_tool_uses_20250919", "keep": 3}],
            ["context-management-2025-06-27"],
        ),
        ("all of them", None, None),
    ],
    ids=["thinking", "compaction", "tool uses", "no list"],
)
def test_of_context_management_only_the_edits_bedrock_has_pass_with_their_betas(
    edits: Any, sent: Any, flags: Any
) -> None:
    body = built(asked(context_management={"edits": edits, "unknown": 1})).body
    assert body.get("context_management") == ({"edits": sent} if sent else None)
    assert body.get("anthropic_beta") == flags


def test_a_system_message_in_mid_conversation_becomes_text_of_the_user_in_its_place() -> None:
    body = said(("user", "a"), ("system", "note"), ("assistant", "b"), ("system", [text("again"), text(" ")]))
    assert built(body).body["messages"] == [
        {"role": "user", "content": [text("a"), text("<system-reminder>\nnote\n</system-reminder>")]},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": [text("<system-reminder>\nagain\n</system-reminder>")]},
    ]


def test_a_system_message_between_a_call_and_its_result_goes_behind_the_result() -> None:
    body = asked(
        messages=[*CALLED, {"role": "system", "content": "note"}, {"role": "user", "content": [RESULT]}]
    )
    last = built(body).body["messages"][-1]["content"]
    assert last == [RESULT, text("<system-reminder>\nnote\n</system-reminder>")]


def test_system_messages_at_the_beginning_join_the_system_prompt() -> None:
    body = said(("system", "first"), ("user", "a"), system="own")
    assert built(body).body["system"] == [text("own"), text("first")]


def test_a_model_that_takes_system_messages_gets_them() -> None:
    profile = overridden(named("claude-5"), mid_conversation_system=True)
    messages = [
        *CALLED,
        {"role": "system", "content": "note", "output_config": {"effort": "low"}},
        {"role": "user", "content": [RESULT]},
        {"role": "system", "content": [text("end"), {"type": "tool_removal", "tool": {"name": "grep"}}]},
    ]
    sent = translate(asked(messages=messages, tools=[TOOL]), profile, model_id=OPUS).body
    assert [message["role"] for message in sent["messages"]] == [
        "user",
        "assistant",
        "user",
        "system",
        "system",
    ]
    assert sent["messages"][3] == {"role": "system", "content": "note", "output_config": {"effort": "low"}}
    assert sent["messages"][4]["content"][1] == {"type": "tool_removal", "tool": {"name": "grep"}}
    assert "output_config" not in sent
    assert [tool["name"] for tool in sent["tools"]] == ["grep"]


def test_system_messages_change_tools_and_effort_of_a_model_that_does_not_take_them() -> None:
    added = {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "late"}}
    removed = {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "grep"}}
    messages = [
        {"role": "user", "content": "a"},
        {"role": "system", "content": [added, removed], "output_config": {"effort": "low"}},
    ]
    late = {**TOOL, "name": "late", "defer_loading": True}
    sent = built(asked(messages=messages, tools=[TOOL, late], output_config={"effort": "high"})).body
    assert sent["tools"] == [{**TOOL, "name": "late"}]
    assert sent["output_config"] == {"effort": "low"}
    assert sent["messages"] == [{"role": "user", "content": "a"}]


@pytest.mark.parametrize(
    "block",
    [
        {"type": "thinking", "thinking": "x", "signature": ""},
        {"type": "thinking", "thinking": "x", "signature": "openclaude.v1.bedrock"},
        {"type": "thinking", "thinking": "x"},
        {"type": "redacted_thinking", "data": ""},
    ],
    ids=["empty signature", "the gateway's own", "no signature", "empty redacted"],
)
def test_thinking_claude_did_not_sign_goes_and_this_request_does_not_think(block: dict[str, Any]) -> None:
    messages = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [block, USE]},
        {"role": "user", "content": [RESULT]},
    ]
    found = built(asked(messages=messages, thinking={"type": "adaptive"}))
    assert found.body["messages"][1]["content"] == [USE]
    assert "thinking" not in found.body
    assert found.notes == ("thinking_dropped", "thinking_disabled")


def test_an_assistant_turn_of_nothing_but_foreign_thinking_vanishes() -> None:
    unsigned = [{"type": "thinking", "thinking": "x", "signature": ""}]
    found = built(said(("user", "a"), ("assistant", unsigned), ("user", "b")))
    assert found.body["messages"] == [{"role": "user", "content": [text("a"), text("b")]}]


def test_images_that_are_no_base64_become_a_text_or_base64() -> None:
    data_url = {"type": "image", "source": {"type": "url", "url": f"data:image/jpg;base64,{PNG}"}}
    filed = {
        "type": "image",
        "source": {"type": "file", "file_id": "f"},
        "cache_control": {"type": "ephemeral"},
    }
    found = built(said(("user", [URL_IMAGE, data_url, filed])))
    omitted = text("[image omitted: only base64 image data can be sent to Bedrock]")
    shown = found.body["messages"][0]["content"]
    assert shown == [omitted, IMAGE, {**omitted, "cache_control": {"type": "ephemeral"}}]
    assert found.notes == ("image_omitted",)


def test_documents_of_a_file_or_url_become_a_text_and_others_pass() -> None:
    pdf = {
        "type": "document",
        "title": "A",
        "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
    }
    plain = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}}
    parts = {"type": "document", "source": {"type": "content", "content": [text("words"), URL_IMAGE]}}
    filed = {"type": "document", "title": "B", "source": {"type": "file", "file_id": "f"}}
    found = built(said(("user", [pdf, plain, parts, filed])))
    assert found.body["messages"][0]["content"] == [
        pdf,
        plain,
        {
            "type": "document",
            "source": {
                "type": "content",
                "content": [
                    text("words"),
                    text("[image omitted: only base64 image data can be sent to Bedrock]"),
                ],
            },
        },
        text("[document omitted: B: only base64 document data can be sent to Bedrock]"),
    ]
    assert found.notes == ("image_omitted", "document_omitted")


def test_media_in_a_tool_result_are_read_like_any_others() -> None:
    result = {**RESULT, "content": [text(" "), text("see"), URL_IMAGE, IMAGE, {"type": "new_kind"}]}
    found = built(asked(messages=[*CALLED, {"role": "user", "content": [result]}]))
    content = found.body["messages"][-1]["content"][0]["content"]
    assert [part["type"] for part in content] == ["text", "text", "image"]
    assert found.notes == ("image_omitted", "block_dropped:new_kind")


def test_unpaired_surrogates_become_replacement_characters() -> None:
    raw = json.dumps(said(("user", f"cut {SURROGATE}"))).encode()
    found = built(jsontext.loads(raw))
    assert found.body["messages"][0]["content"] == "cut \ufffd"


def test_blank_texts_and_the_attribution_line_stay_behind() -> None:
    system = [text("x-anthropic-billing-header: v=1"), text("\n"), text("Be brief.")]
    found = built(said(("user", [text(" "), text("a")]), ("user", []), system=system))
    assert found.body["system"] == [text("Be brief.")]
    assert found.body["messages"] == [{"role": "user", "content": [text("a")]}]
    assert "system" not in built(asked(system="x-anthropic-billing-header: v=1")).body


def test_a_final_assistant_turn_is_answered_unless_the_model_goes_on_from_it() -> None:
    prefilled = said(("user", "a"), ("assistant", "It is \n"))
    new = built(prefilled)
    assert new.body["messages"][1:] == [
        {"role": "assistant", "content": "It is"},
        {"role": "user", "content": [text("Continue.")]},
    ]
    assert new.notes == ("prefill_emulated",)
    old = built(prefilled, model_id="us.anthropic.claude-haiku-4-5-20251001-v1:0")
    assert old.body["messages"][-1] == {"role": "assistant", "content": "It is"}


def test_a_call_without_a_result_gets_one_and_a_result_without_a_call_becomes_a_text() -> None:
    stray = {"type": "tool_result", "tool_use_id": "gone", "content": [text("old"), IMAGE]}
    found = built(asked(messages=[*CALLED, {"role": "user", "content": [text("x"), stray]}]))
    assert found.body["messages"][-1]["content"] == [
        {
            "type": "tool_result",
            "tool_use_id": "t1",
            "content": "(no result was recorded for this tool call)",
            "is_error": True,
        },
        text("x"),
        text("[result of an earlier tool call]\nold"),
        IMAGE,
    ]
    assert set(found.notes) == {"tool_result_synthesised", "orphan_tool_result"}


def test_results_stand_first_and_in_the_order_of_the_calls() -> None:
    uses = [{**USE, "id": name} for name in ("a", "b", "a")]
    results = [{**RESULT, "tool_use_id": name} for name in ("b", "a")]
    found = built(said(("user", "go"), ("assistant", uses), ("user", [text("so"), *results])))
    assert [block["id"] for block in found.body["messages"][1]["content"]] == ["a", "b"]
    last = found.body["messages"][2]["content"]
    assert [block.get("tool_use_id") for block in last] == ["a", "b", None]
    assert found.notes == ("duplicate_tool_id",)


def test_ids_another_model_made_become_ids_claude_takes_on_both_sides() -> None:
    use, result = {**USE, "id": "functions.grep:0"}, {**RESULT, "tool_use_id": "functions.grep:0"}
    messages = built(said(("user", "go"), ("assistant", [use]), ("user", [result]))).body["messages"]
    sent = messages[1]["content"][0]["id"]
    assert sent == messages[2]["content"][0]["tool_use_id"]
    assert sent.startswith("functions_grep_0_")


def test_calls_of_server_tools_in_the_history_become_texts() -> None:
    call = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}}
    result = {
        "type": "web_search_tool_result",
        "tool_use_id": "s1",
        "content": [
            {"type": "web_search_result", "title": "T", "url": "https://t", "encrypted_content": "e"}
        ],
    }
    found = built(said(("user", "go"), ("assistant", [call, result, text("so")]), ("user", "on")))
    assert found.body["messages"][1]["content"] == [
        text('[web_search {"query": "x"}]\n- T <https://t>'),
        text("so"),
    ]
    assert found.notes == ("server_tool_history_flattened",)


def test_history_before_a_compaction_is_its_summary_unless_bedrock_compacts_itself() -> None:
    block = {"type": "compaction", "content": "the story so far"}
    body = said(("user", "a"), ("assistant", [block, text("b")]), ("user", "c"))
    assert built(body).body["messages"][0]["content"] == [
        text("<conversation-summary>\nthe story so far\n</conversation-summary>")
    ]
    edits = {"edits": [{"type": "compact_20260112"}]}
    native = translate({**body, "context_management": edits}, named("claude-5"), model_id=OPUS)
    assert native.body["messages"][1]["content"][0] == block


def test_betas_of_the_client_s_are_renamed_filtered_and_sorted() -> None:
    flags = b"advanced-tool-use-2025-11-20, interleaved-thinking-2025-05-14,context-1m-2025-08-07,bad flag!"
    found = built(asked(), betas=flags)
    assert found.body["anthropic_beta"] == ["context-1m-2025-08-07", "tool-search-tool-2025-10-19"]
    assert found.notes == ("beta_dropped:interleaved-thinking-2025-05-14", "beta_dropped:bad_flag_")


def test_structured_output_is_native_or_in_the_prompt() -> None:
    wanted = {"type": "json_schema", "schema": {"type": "object", "properties": {"a": {"minimum": 1}}}}
    native = built(asked(output_config={"format": wanted}))
    assert native.body["output_config"] == {"format": wanted}
    assert built(asked(output_format=wanted)).body["output_config"] == {"format": wanted}
    prompted = built(
        asked(output_config={"format": wanted}, system="S"),
        profile=named("claude-3"),
        model_id="anthropic.claude-3-5-haiku-20241022-v1:0",
    )
    assert prompted.notes == ("json_schema_prompted",)
    assert prompted.body["system"][0] == text("S")
    assert '{"type":"object","properties":{"a":{"minimum":1}}}' in prompted.body["system"][1]["text"]


@pytest.mark.parametrize(
    ("members", "geo", "fragment"),
    [
        ({"mcp_servers": [{"url": "x"}]}, None, "mcp_servers"),
        ({"inference_geo": "eu"}, "us", "inference_geo"),
        ({"thread": {"type": "continue"}}, None, "thread"),
        ({"compaction": {}}, None, "compaction"),
        ({"messages": []}, None, "messages"),
        ({"max_tokens": "many"}, None, "max_tokens"),
        ({"tools": [7]}, None, "tools.0"),
        (
            {
                "tool_choice": {"type": "tool", "name": "web_search"},
                "tools": [TOOL, {"type": "web_search_20250305", "name": "web_search"}],
            },
            None,
            "web_search",
        ),
    ],
)
def test_promises_nobody_could_keep_are_refused(
    members: dict[str, Any], geo: str | None, fragment: str
) -> None:
    with pytest.raises(ApiError, match=fragment) as refused:
        translate(asked(**members), named("claude-invoke"), model_id=SONNET, geo=geo)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("tools", "change"),
    [
        ([], {"type": "tool_addition", "tool": {"definition": WEB_SEARCH}}),
        ([WEB_SEARCH, TOOL], {"type": "tool_removal", "tool": {"name": "grep"}}),
        ([WEB_SEARCH], {"type": "tool_removal", "tool": {"name": "web_search"}}),
    ],
    ids=["a-server-tool-was-added", "all-others-were-removed", "the-server-tool-was-removed"],
)
def test_what_the_conversation_does_to_the_tools_is_no_reason_to_refuse(
    tools: list[Any], change: dict[str, Any]
) -> None:
    found = built(said(("user", "x"), ("system", [change]), tools=tools))
    assert "tools" not in found.body
    assert found.notes == ("server_tool_dropped",)


def test_a_body_that_is_too_large_is_refused_here() -> None:
    with pytest.raises(ApiError) as refused:
        translate(said(("user", "x" * 25_000_000)), named("claude-invoke"), model_id=SONNET)
    assert (refused.value.status, refused.value.type) == (413, "request_too_large")


def test_json_nested_without_end_is_refused_and_not_a_crash() -> None:
    value: Any = {}
    for _ in range(3000):
        value = {"a": value}
    with pytest.raises(ApiError, match="nested too deeply"):
        translate(asked(metadata=value), named("claude-invoke"), model_id=SONNET)


def test_a_tier_is_a_header_the_route_s_before_the_client_s() -> None:
    tier = b"x-amzn-bedrock-service-tier"
    assert built(asked(service_tier="auto")).headers == ()
    assert built(asked(service_tier="standard_only")).headers == ((tier, b"default"),)
    flex = overridden(named("claude-invoke"), service_tier="flex")
    assert built(asked(service_tier="standard_only"), profile=flex).headers == ((tier, b"flex"),)


@settings(max_examples=300, deadline=None)
@given(
    body=REQUESTS,
    model=st.sampled_from(
        [
            (SONNET, "claude-invoke"),
            (OPUS, "claude-5"),
            ("us.anthropic.claude-opus-4-7", "claude-opus-4-7"),
            ("anthropic.claude-3-5-haiku-20241022-v1:0", "claude-3"),
            ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-invoke"),
        ]
    ),
)
def test_whatever_a_request_holds_the_result_is_one_claude_takes(
    body: dict[str, Any], model: tuple[str, str]
) -> None:
    model_id, profile = model
    server = ("web_search_", "computer_toolset", "tool_search_tool_")
    offered = [tool for tool in body.get("tools", ()) if not str(tool.get("type")).startswith(server)]
    try:
        found = translate(body, named(profile), model_id=model_id)
    except ApiError as refused:
        # Only a request that leaves nothing but server tools, or insists on one.
        if "runs on Anthropic's servers" in refused.message and refused.status == 400:
            assert len(offered) < len(body["tools"])
            return
        raise
    sent = json.loads(found.payload)
    excess = [
        f"A maximum of 4 blocks with cache_control may be provided. Found {count}." for count in range(5, 99)
    ]
    # More cache marks than the API takes are the client's own mistake there too.
    named_badly = "String should match pattern '^[a-zA-Z0-9_-]{1,128}$'"
    problems = [
        problem for problem in body_problems(model_id, sent, enveloped=False)
        if problem not in excess and named_badly not in problem
    ]  # fmt: skip
    assert problems == []


@settings(max_examples=150, deadline=None)
@given(messages=sessions(), following=st.sampled_from(["and now?", "go on"]))
def test_a_longer_conversation_keeps_what_a_shorter_one_became(
    messages: list[dict[str, Any]], following: str
) -> None:
    def sent(upto: list[dict[str, Any]]) -> list[Any]:
        return list(translate(asked(messages=upto), named("claude-invoke"), model_id=SONNET).body["messages"])

    longer = [
        *messages,
        {"role": "assistant", "content": [text("ok")]},
        {"role": "user", "content": following},
    ]
    first, second = sent(messages), sent(longer)
    assert second[: len(first)] == first


def test_betas_in_a_body_are_merged_under_both_their_names() -> None:
    body = asked(betas=["effort-2025-11-24"], anthropic_beta=["context-1m-2025-08-07", "made-up", 7])
    found = built(body, betas=b"compact-2026-01-12")
    assert found.body["anthropic_beta"] == [
        "compact-2026-01-12",
        "context-1m-2025-08-07",
        "effort-2025-11-24",
    ]
    assert found.notes == ("beta_dropped:made-up",)


def test_a_schema_s_empty_members_are_left_out() -> None:
    schema = {"type": "custom", "properties": None, "required": None, "items": {"properties": None}}
    found = built(asked(tools=[{"name": "t", "input_schema": schema}]))
    assert found.body["tools"][0]["input_schema"] == {"type": "object", "items": {}}


def test_in_the_new_version_only_claude_cites() -> None:
    cited = {**text("x"), "citations": [{"type": "char_location"}]}
    messages = [
        {"role": "user", "content": [cited]},
        {"role": "assistant", "content": [cited]},
        {"role": "user", "content": "y"},
    ]
    old = translate(asked(messages=messages), named("claude-5"), model_id=OPUS).body["messages"]
    new = translate(asked(messages=messages), named("claude-5"), model_id=OPUS, version=b"2026-10-21").body[
        "messages"
    ]
    assert [message["content"][0] for message in old[:2]] == [cited, cited]
    assert [message["content"][0] for message in new[:2]] == [text("x"), cited]
