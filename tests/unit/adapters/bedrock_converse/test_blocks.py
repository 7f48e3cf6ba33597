"""Single blocks: what each kind becomes for a model that takes it and for one that does not."""

import base64
from typing import Any

import pytest

from openclaude.adapters.bedrock_converse.blocks import Blocks, object_of
from openclaude.adapters.bedrock_converse.names import Names
from openclaude.adapters.bedrock_converse.pieces import Notes
from openclaude.adapters.profiles import named

CACHE = {"type": "ephemeral"}


def mapped(role: str, *blocks: Any, profile: str = "claude") -> tuple[list[Any], tuple[str, ...]]:
    notes = Notes()
    mapper = Blocks(named(profile), Names(), notes)
    turn = mapper.user(list(blocks)) if role == "user" else mapper.assistant(list(blocks))
    return [piece.block for piece in turn.pieces], notes.codes()


def search(**more: Any) -> dict[str, Any]:
    return {
        "type": "search_result",
        "source": "s",
        "title": "T",
        "content": [{"type": "text", "text": "c"}],
        **more,
    }


@pytest.mark.parametrize(
    ("role", "block", "profile", "becomes", "notes"),
    [
        ("user", search(), "qwen-text", [{"text": "[search result] T <s>\nc"}], ()),
        ("assistant", search(), "claude", [{"text": "[search result] T <s>\nc"}], ()),
        ("user", search(content=[]), "claude", [{"text": "[search result] T <s>"}], ()),
        ("user", {"type": "text", "text": 3}, "claude", [], ()),
        ("user", {"type": "text", "text": "x", "citations": [{}]}, "claude", [{"text": "x"}], ()),
        ("user", {"type": ["odd"]}, "claude", [], ("block_dropped:untyped",)),
        ("user", {"type": "a b\n" + "x" * 90}, "claude", [], ("block_dropped:a_b_" + "x" * 60,)),
        ("user", {"type": "thinking", "thinking": "t", "signature": "s"}, "claude", [], ()),
        ("assistant", {"type": "thinking", "thinking": " t ", "signature": "s"}, "claude",
         [{"reasoningContent": {"reasoningText": {"text": " t ", "signature": "s"}}}], ()),
        ("assistant", {"type": "thinking", "thinking": "t", "signature": "s"}, "qwen-text", [], ()),
        ("assistant", {"type": "redacted_thinking", "data": ""}, "claude", [], ("thinking_dropped",)),
        ("assistant", {"type": "image", "source": {}}, "claude",
         [{"text": "[image omitted: images are accepted in user turns only]"}], ("image_omitted",)),
        ("assistant", {"type": "document", "title": "T"}, "claude",
         [{"text": "[document omitted: T: documents are accepted in user turns only]"}], ("document_omitted",)),
        ("user", {"type": "document", "source": {"type": "text", "data": " "}}, "claude", [], ("block_dropped:document",)),
        ("user", {"type": "document", "title": 'a"b', "source": {"type": "content", "content": [{"type": "text", "text": "x"}]}},
         "qwen-text", [{"text": '<document title="a&quot;b">\nx\n</document>'}], ()),
        ("user", {"type": "document", "source": {"type": "content", "content": "x"}}, "qwen-text",
         [{"text": '<document title="untitled">\nx\n</document>'}], ()),
        ("user", {"type": "document", "source": {"type": "text", "data": "x"}}, "qwen-text",
         [{"text": '<document title="untitled">\nx\n</document>'}], ()),
        ("user", {"type": "document", "title": "n.md", "source": {"type": "text", "data": "x"}, "context": "c",
                  "citations": {"enabled": True}}, "claude",
         [{"document": {"format": "txt", "name": "n", "source": {"text": "x"}, "context": "c",
                        "citations": {"enabled": True}}}], ()),
        ("user", {"type": "web_search_tool_result", "content": {"error_code": "unavailable"}}, "claude",
         [{"text": "[web_search result]\n- error: unavailable"}], ("server_tool_history_flattened",)),
    ],
    ids=lambda value: None,
)  # fmt: skip
def test_a_block_becomes_what_the_model_takes(
    role: str,
    block: dict[str, Any],
    profile: str,
    becomes: list[Any],
    notes: tuple[str, ...],
) -> None:
    assert mapped(role, block, profile=profile) == (becomes, notes)


@pytest.mark.parametrize(
    ("content", "becomes"),
    [
        (None, [{"text": "(no output)"}]),
        ([], [{"text": "(no output)"}]),
        (7, [{"text": "(no output)"}]),
        ({"type": "text", "text": "one"}, [{"text": "one"}]),
        ([{"type": "text", "text": " "}], [{"text": "(no output)"}]),
        ([{"type": "tool_reference", "tool_name": "WebFetch"}], [{"text": "Tool available: WebFetch"}]),
        ([search()], [{"searchResult": {"source": "s", "title": "T", "content": [{"text": "c"}]}}]),
        ([{"type": "document", "source": {"type": "text", "data": "x"}}],
         [{"document": {"format": "txt", "name": "document", "source": {"text": "x"}}}]),
        ([{"type": "new"}, {"type": "text", "text": "x"}], [{"text": "x"}]),
    ],
    ids=["missing", "empty", "number", "one-block", "blank", "reference", "search-result", "document", "unknown-part"],
)  # fmt: skip
def test_the_content_of_a_tool_result_is_never_empty(content: Any, becomes: list[Any]) -> None:
    blocks, _ = mapped("user", {"type": "tool_result", "tool_use_id": "t", "content": content})
    assert blocks == [{"toolResult": {"toolUseId": "t", "content": becomes}}]


def test_text_documents_in_results_are_inlined_where_the_model_takes_no_documents_there() -> None:
    parts = [
        {"type": "document", "title": "n", "source": {"type": "text", "data": text}} for text in ("x", " ")
    ]
    blocks, _ = mapped("user", {"type": "tool_result", "tool_use_id": "t", "content": parts}, profile="nova")
    assert blocks[0]["toolResult"]["content"] == [{"text": '<document title="n">\nx\n</document>'}]


def test_media_in_results_are_named_where_the_model_takes_none() -> None:
    pdf = {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(b"%PDF").decode()}
    parts = [{"type": "image", "source": {}}, {"type": "document", "title": "d", "source": pdf}]
    blocks, notes = mapped(
        "user", {"type": "tool_result", "tool_use_id": "t", "content": parts}, profile="qwen-text"
    )
    assert [part["text"] for part in blocks[0]["toolResult"]["content"]] == [
        "[image omitted: this model does not accept image input]",
        "[document omitted: d: this model does not accept document input]",
    ]
    assert notes == ("image_omitted", "document_omitted")


@pytest.mark.parametrize(
    ("value", "becomes"),
    [
        ({"a": 1}, {"a": 1}),
        ('{"a": 1}', {"a": 1}),
        ("[1]", {"value": "[1]"}),
        ("{", {"value": "{"}),
        (None, {}),
        (3, {"value": 3}),
    ],
    ids=["object", "text-of-an-object", "text-of-a-list", "broken-text", "nothing", "number"],
)
def test_the_input_of_a_call_is_always_an_object(value: Any, becomes: dict[str, Any]) -> None:
    assert object_of(value) == becomes


def test_a_cache_mark_on_a_dropped_block_moves_to_the_block_before_it() -> None:
    notes = Notes()
    blocks = [
        {"type": "text", "text": "kept"},
        {"type": "thinking", "thinking": "t", "signature": "s", "cache_control": CACHE},
        {"type": "text", "text": "", "cache_control": {**CACHE, "ttl": "1h"}},
    ]
    turn = Blocks(named("claude"), Names(), notes).assistant(blocks)
    assert [piece.cache for piece in turn.pieces] == ["1h", None]
    first = Blocks(named("claude"), Names(), notes).user([{"type": "new", "cache_control": CACHE}])
    assert first.pieces == []


def test_a_cache_mark_inside_a_tool_result_stands_behind_it() -> None:
    part = {"type": "text", "text": "x", "cache_control": CACHE}
    turn = Blocks(named("claude"), Names(), Notes()).user(
        [{"type": "tool_result", "tool_use_id": "t", "content": [part]}]
    )
    assert turn.pieces[0].cache == ""


def test_server_tool_calls_and_their_results_are_one_text() -> None:
    blocks, notes = mapped(
        "assistant",
        {"type": "server_tool_use", "id": "s1", "name": "bash_code_execution", "input": {"command": "ls"}},
        {"type": "text", "text": "between"},
        {
            "type": "bash_code_execution_tool_result",
            "tool_use_id": "s1",
            "content": {"type": "bash_code_execution_result", "stdout": "a\n", "stderr": "", "return_code": 2},
        },
        {"type": "web_fetch_tool_result", "tool_use_id": "gone", "content": {
            "url": "https://e.example", "content": {"title": "P", "source": {"type": "text", "data": "page"}},
        }},
        {"type": "mcp_tool_use", "id": "m1", "name": "find", "input": {"q": "\u00fc"}},
        {"type": "mcp_tool_result", "tool_use_id": "m1", "content": [{"type": "text", "text": "hit"}]},
        {"type": "server_tool_use", "id": "s2", "name": "tool_search", "input": {}},
        {"type": "tool_search_tool_result", "tool_use_id": "s2", "content": {"tool_references": [{"tool_name": "db"}]}},
        {"type": "advisor_tool_result", "tool_use_id": "x", "content": "plain"},
    )  # fmt: skip
    assert [block["text"] for block in blocks] == [
        '[bash_code_execution {"command": "ls"}]\na\n\n- return code 2',
        "between",
        "[web_fetch result]\n- <https://e.example>\npage",
        '[find {"q": "\u00fc"}]\nhit',
        "[tool_search {}]\nTool available: db",
        "[advisor result]\nplain",
    ]
    assert notes == ("server_tool_history_flattened",)
