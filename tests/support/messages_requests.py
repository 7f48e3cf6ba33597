"""Hypothesis strategies for Messages requests, from polite to hostile."""

import base64
from typing import Any

from hypothesis import strategies as st

SURROGATE = "\ud83d"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(24)).decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(8)).decode()
PDF = base64.b64encode(b"%PDF-1.4\n%%EOF").decode()

TEXTS = st.sampled_from(
    [
        "hi",
        "",
        " ",
        "\n\t",
        "a\x00b",
        f"cut {SURROGATE}",
        "\U0001f600",
        "x-anthropic-billing-header: v=1",
        "</x>",
    ],
)
IDS = st.sampled_from(["t1", "t2", "t3", "", "id with spaces", "ü" * 70, "x" * 65, f"bad{SURROGATE}"])
NAMES = st.sampled_from(["grep", "ls", "srv.tool/read", "", "n" * 128, "a" * 63 + "é", "openclaude_no_tools"])
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), TEXTS, st.just([]), st.just({}), st.just([{}]), st.just([1])
)
VALUES = st.recursive(
    JUNK, lambda inner: st.dictionaries(st.sampled_from(["a", "type", "$ref", SURROGATE]), inner, max_size=3)
)
CACHE = st.sampled_from(
    [
        None,
        {"type": "ephemeral"},
        {"type": "ephemeral", "ttl": "1h"},
        {"type": "ephemeral", "ttl": "5m", "scope": "global"},
        7,
    ],
)


def block(kind: str, **members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A block with some of its members, sometimes of the wrong type."""
    members = {**members, "cache_control": CACHE}
    return st.fixed_dictionaries(
        {"type": st.just(kind)},
        optional={name: st.one_of(value, value, value, JUNK) for name, value in members.items()},
    )


SOURCES = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("base64"),
            "media_type": st.sampled_from(
                ["image/png", "image/jpg", "application/pdf", "text/csv", "video/mp4", ""]
            ),
            "data": st.sampled_from(
                [PNG, JPEG, PDF, "", "not base64!", PNG[:-1], f"{PNG[:8]}\n{PNG[8:]}", "é"]
            ),
        },
    ),
    st.sampled_from(
        [
            {"type": "url", "url": "https://example.com/a.png"},
            {"type": "url", "url": f"data:image/png;base64,{PNG}"},
            {"type": "file", "file_id": "f"},
            {"type": "text", "media_type": "text/plain", "data": "hello"},
            {"type": "text", "data": "  "},
            {"type": "content", "content": [{"type": "text", "text": "part"}, {"type": "image"}]},
            {"type": "content", "content": "plain"},
        ],
    ),
)
TITLES = st.sampled_from(
    ["a.pdf", "a", "Résumé №1.docx", "", "..", "x" * 300, 'q"uote', "a (2)", "\u4e2d\u6587"]
)
IMAGE = block("image", source=SOURCES)
DOCUMENT = block(
    "document", source=SOURCES, title=TITLES, context=TEXTS, citations=st.just({"enabled": True})
)
SEARCH = block(
    "search_result",
    source=TEXTS,
    title=TEXTS,
    content=st.lists(block("text", text=TEXTS), max_size=2),
    citations=st.just({"enabled": False}),
)
TEXT = block("text", text=TEXTS)
REFERENCE = block("tool_reference", tool_name=NAMES)
RESULT_CONTENT = st.one_of(
    TEXTS, st.lists(st.one_of(TEXT, IMAGE, DOCUMENT, SEARCH, REFERENCE, block("new_kind")), max_size=3)
)
RESULT = block("tool_result", tool_use_id=IDS, content=RESULT_CONTENT, is_error=st.booleans())
USE = block(
    "tool_use", id=IDS, name=NAMES, input=st.one_of(VALUES, st.sampled_from(['{"q": 1}', "[1]", "{"]))
)
THINKING = st.one_of(
    block("thinking", thinking=TEXTS, signature=st.sampled_from(["c2ln", "", "openclaude.v1.qwen"])),
    block("redacted_thinking", data=st.sampled_from(["b3BhcXVl", ""])),
)
SERVER = st.one_of(
    block("server_tool_use", id=IDS, name=NAMES, input=VALUES),
    block("web_search_tool_result", tool_use_id=IDS, content=st.lists(VALUES, max_size=2)),
    block(
        "tool_search_tool_result",
        tool_use_id=IDS,
        content=st.just({"tool_references": [{"tool_name": "late"}]}),
    ),
    block("mcp_tool_use", id=IDS, name=NAMES, input=VALUES, server_name=TEXTS),
    block("mcp_tool_result", tool_use_id=IDS, content=RESULT_CONTENT),
)
ODD = st.one_of(
    block("compaction", content=TEXTS),
    block("container_upload"),
    block("fallback"),
    st.fixed_dictionaries({"type": JUNK}),
    JUNK,
)
ANY_BLOCK = st.one_of(TEXT, TEXT, USE, RESULT, IMAGE, DOCUMENT, SEARCH, THINKING, SERVER, ODD)
INLINE = st.sampled_from(
    [
        {"name": "inline", "input_schema": {"type": "object"}},
        {"type": "web_search_20250305", "name": "web_search"},
        {"type": "mcp_toolset", "mcp_server_name": "m"},
    ]
)
CHANGES = st.one_of(
    block("tool_addition", tool=st.fixed_dictionaries({"type": st.just("tool_reference"), "name": NAMES})),
    block(
        "tool_addition",
        tool=st.fixed_dictionaries({"type": st.just("tool_definition"), "definition": INLINE}),
    ),
    block("tool_removal", tool=st.fixed_dictionaries({"type": st.just("tool_reference"), "name": NAMES})),
)
MESSAGES = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {
                "role": st.sampled_from(["user", "assistant", "user", "assistant"]),
                "content": st.one_of(
                    TEXTS, st.lists(ANY_BLOCK, max_size=5), st.lists(ANY_BLOCK, max_size=5), JUNK
                ),
            },
        ),
        st.fixed_dictionaries(
            {
                "role": st.just("system"),
                "content": st.one_of(TEXTS, st.lists(st.one_of(TEXT, CHANGES), max_size=2)),
            },
            optional={
                "clear_at": st.just("next_user_message"),
                "output_config": st.sampled_from([{"effort": "max"}, {}]),
            },
        ),
    ),
    min_size=1,
    max_size=8,
)
SCHEMAS = st.one_of(
    st.sampled_from(
        [
            {"type": "object", "properties": {"q": {"type": "string", "pattern": "(?!x)"}}},
            {"anyOf": [{"properties": {"a": True}, "required": ["a"]}, {"type": "null"}]},
            {
                "$ref": "#/$defs/N",
                "$defs": {"N": {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}}},
            },
            {"type": "string"},
            {"type": "custom", "properties": None, "required": None},
        ],
    ),
    VALUES,
)
TOOLS = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"name": NAMES, "input_schema": SCHEMAS},
            optional={
                "description": TEXTS,
                "type": st.sampled_from(["custom", None]),
                "strict": st.booleans(),
                "defer_loading": st.booleans(),
                "cache_control": CACHE,
                "allowed_callers": st.sampled_from([["direct"], ["code_execution_20250825"], 3]),
            },
        ),
        st.sampled_from(
            [
                {"type": "bash_20250124", "name": "bash"},
                {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
                {"type": "memory_20250818", "name": "memory"},
                {"type": "computer_20251124", "name": "computer"},
                {"type": "web_search_20250305", "name": "web_search"},
                {"type": "tool_search_tool_regex_20251119", "name": "tool_search"},
                {"name": "late", "input_schema": {"type": "object"}, "defer_loading": True},
                {"type": "brand_new_20290101", "name": "new"},
            ],
        ),
    ),
    max_size=5,
)
REQUESTS = st.fixed_dictionaries(
    {
        "model": st.just("route-alias"),
        "max_tokens": st.sampled_from([0, 1, 500, 2000, 64000]),
        "messages": MESSAGES,
    },
    optional={
        "system": st.one_of(TEXTS, st.lists(TEXT, max_size=4)),
        "tools": TOOLS,
        "tool_choice": st.one_of(
            st.sampled_from(
                [{"type": "auto"}, {"type": "any", "disable_parallel_tool_use": True}, {"type": "none"}]
            ),
            st.fixed_dictionaries({"type": st.just("tool"), "name": NAMES}),
        ),
        "thinking": st.sampled_from(
            [
                {"type": "adaptive", "display": "omitted"},
                {"type": "enabled", "budget_tokens": 31999},
                {"type": "disabled"},
                {"type": "between_tools"},
                {},
            ],
        ),
        "temperature": st.sampled_from([0, 1, 0.5, 1.7, -1, None]),
        "top_p": st.sampled_from([0.1, 2]),
        "top_k": st.integers(0, 50),
        "stop_sequences": st.lists(TEXTS, max_size=3),
        "stream": st.booleans(),
        "cache_control": CACHE,
        "output_config": st.sampled_from(
            [
                {"effort": "high"},
                {
                    "format": {
                        "type": "json_schema",
                        "schema": {"type": "object", "properties": {"a": {"minimum": 1}}},
                    }
                },
                7,
            ],
        ),
        "metadata": JUNK,
        "service_tier": st.sampled_from(["auto", "standard_only", 3]),
    },
)
"""Whole requests whose top level is valid: whatever their content, they have to be served."""

POLITE_TEXT = st.sampled_from(["look at this", "fine", "and now?", "\U0001f600 ok"])


@st.composite
def sessions(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The messages of a session as the client builds it up: text, tool calls and their results, reminders."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": draw(POLITE_TEXT)}]
    for turn in range(draw(st.integers(1, 5))):
        uses = [
            {"type": "tool_use", "id": f"toolu_{turn}_{number}", "name": draw(NAMES), "input": {"n": number}}
            for number in range(draw(st.integers(0, 3)))
        ]
        messages.append(
            {"role": "assistant", "content": [{"type": "text", "text": draw(POLITE_TEXT)}, *uses]}
        )
        results = [
            {"type": "tool_result", "tool_use_id": use["id"], "content": draw(RESULT_CONTENT)}
            for use in draw(st.permutations(uses))
        ]
        messages.append({"role": "user", "content": [*results, {"type": "text", "text": draw(POLITE_TEXT)}]})
        if draw(st.booleans()):
            messages.append({"role": "system", "content": draw(POLITE_TEXT)})
    return messages


@st.composite
def long_sessions(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A session of whatever a client may have in its history: every block kind, ids and names in disorder, marks.

    Each assistant turn says something, so that none vanishes and joins the user turns around it.
    """
    messages = [*draw(st.lists(_REMINDER, max_size=2)), _user(draw(st.lists(_OF_USER, max_size=2)))]
    for _ in range(draw(st.integers(1, 5))):
        said = draw(st.lists(st.one_of(USE, THINKING, SERVER, TEXT), max_size=4))
        place = draw(st.integers(0, len(said)))
        said.insert(place, {"type": "text", "text": draw(POLITE_TEXT)})
        messages.append({"role": "assistant", "content": said})
        messages += draw(st.lists(_REMINDER, max_size=1))
        messages.append(_user(draw(st.lists(st.one_of(RESULT, RESULT, _OF_USER), max_size=4))))
        messages += draw(
            st.lists(st.one_of(_REMINDER, st.builds(_user, st.lists(_OF_USER, max_size=2))), max_size=2)
        )
    return messages


def _user(content: list[Any]) -> dict[str, Any]:
    return {"role": "user", "content": content}


_PAPER = st.fixed_dictionaries(
    {
        "type": st.just("document"),
        "title": st.sampled_from(["a.pdf", "a (2)"]),
        "source": st.just({"type": "base64", "media_type": "application/pdf", "data": PDF}),
    }
)
_OF_USER = st.one_of(TEXT, _PAPER, IMAGE, DOCUMENT, SEARCH, block("new_kind"))
_REMINDER = st.fixed_dictionaries(
    {
        "role": st.just("system"),
        "content": st.one_of(POLITE_TEXT, st.lists(st.one_of(TEXT, CHANGES), max_size=2)),
    }
)
