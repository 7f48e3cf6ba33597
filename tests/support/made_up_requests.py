"""Hypothesis strategies for requests nobody should send: every block in every place, and anything where anything else belongs.

`VALID_AT_TOP` are requests whose top level is what the API documents and whose content is not; `ODD_AT_TOP` have any
top level. Both are what a client would write: `wire` gives the bytes.
"""

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from support.messages_requests import (
    ANY_BLOCK,
    CACHE,
    CHANGES,
    IDS,
    NAMES,
    PDF,
    PNG,
    REQUESTS,
    RESULT_CONTENT,
    SURROGATE,
    TEXT,
    TEXTS,
    TITLES,
    TOOLS,
)

LONE = "\udfff"
NUMBERS = st.sampled_from(
    [0, -1, 1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**40, 1e300, -1e300, 5e-324, 0.1, -0.0]
)
WORDS = st.one_of(
    TEXTS,
    st.sampled_from(
        [
            "__proto__",
            "\0",
            f"{LONE}{SURROGATE}",
            "\u202e",
            "\ufeff",
            "\u2028",
            "x" * 2000,
            "text",
            "base64",
            "{}",
        ]
    ),
)
KEYS = st.one_of(
    st.sampled_from(
        [
            "type", "text", "content", "source", "data", "id", "name", "input", "tool_use_id", "cache_control",
            "title", "signature", "thinking", "citations", "properties", "required", "items", "anyOf", "allOf",
            "$ref", "$defs", "pattern", "enum", "const", "", "\0", SURROGATE, f"{SURROGATE}a", "__proto__",
        ]
    ),
)  # fmt: skip
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, WORDS)
POOL = st.sampled_from(
    [
        [],
        {},
        [[]],
        [None],
        [{}, 3, "x"],
        {"type": "text", "text": ["x"]},
        {"type": ["text"], "text": "x"},
        {"type": "tool_use"},
        {"type": "tool_result", "content": {"type": "text", "text": "x"}},
        {"type": "tool_result", "tool_use_id": 7, "content": [[{"type": "text", "text": "x"}], None]},
        {"type": "image", "source": {"type": "base64", "media_type": 3, "data": ["A"]}},
        {
            "type": "document",
            "source": {"type": "content", "content": [{"type": "image", "source": None}, 3]},
        },
        {"type": "ephemeral", "ttl": {"seconds": 3}},
        {SURROGATE: {LONE: [{SURROGATE: LONE}]}},
        {"a": {"$ref": "#"}, "$ref": "#/a"},
        {"properties": {"": {"anyOf": {}}}, "required": {"a": 1}, "anyOf": [[], True, {"required": "x"}]},
        [{"a": [{"b": [{"c": [{"d": 10**40}]}]}]}],
    ]
)
ANYTHING = st.one_of(
    LEAVES, POOL, st.lists(st.one_of(LEAVES, POOL), max_size=2), st.dictionaries(KEYS, LEAVES, max_size=2)
)
"""Values of every type. Drawn flat, from pools: half of a fuzz test's time goes into making up values."""


def nested(depth: int, end: Any) -> Any:
    """Lists and objects in turn, `depth` of them, around `end`."""
    for level in range(depth):
        end = [end] if level % 2 else {"a": end}
    return end


DEEP = st.builds(nested, st.integers(1, 90), LEAVES)
CYCLES = st.sampled_from(
    [
        {"$ref": "#"},
        {"type": "object", "properties": {"self": {"$ref": "#"}}},
        {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}},
        {"allOf": [{"$ref": "#/allOf/0"}]},
        {"$ref": "#/$defs/A", "$defs": {"A": {"anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#"}]}}},
        {"definitions": {"a/b~c": {"type": "string"}}, "items": {"$ref": "#/definitions/a~1b~0c"}},
        {"$ref": "https://example.com/schema"},
        {"$ref": "#/properties/0/-1"},
        {"$ref": f"#/{SURROGATE}"},
    ]
)
DOUBLING = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(24)}
SCHEMAS = st.one_of(
    CYCLES,
    ANYTHING,
    st.just({"$ref": "#/$defs/d0", "$defs": {**DOUBLING, "d24": {"type": "object"}}}),
    st.builds(lambda deep: {"type": "object", "properties": {"p": deep}}, DEEP),
    st.builds(
        lambda inner: {"type": ["object", "null"], "anyOf": [inner, True, 3], "required": [inner]}, ANYTHING
    ),
)
ODD_TOOLS = st.fixed_dictionaries(
    {"name": st.one_of(NAMES, NAMES, ANYTHING), "input_schema": SCHEMAS},
    optional={
        "type": st.one_of(st.sampled_from(["custom", "bash_20250124", "future_20990101"]), ANYTHING),
        "description": ANYTHING,
        "strict": ANYTHING,
        "defer_loading": ANYTHING,
        "custom": ANYTHING,
        "allowed_callers": ANYTHING,
        "cache_control": st.one_of(CACHE, ANYTHING),
        "input_examples": ANYTHING,
    },
)
DEFINED = st.builds(
    lambda kind, tool: {"type": kind, "tool": {"type": "tool_definition", "definition": tool}},
    st.sampled_from(["tool_addition", "tool_removal"]),
    st.one_of(ODD_TOOLS, st.sampled_from([{"type": "web_search_20250305", "name": "web_search"}]), ANYTHING),
)
SUMMARY = st.fixed_dictionaries(
    {"type": st.just("compaction"), "content": st.one_of(TEXTS, st.lists(TEXT, max_size=2), ANYTHING)},
    optional={
        "tool_changes": st.lists(st.one_of(DEFINED, CHANGES, ANYTHING), max_size=2),
        "cache_control": CACHE,
    },
)
MANY_MEDIA = st.builds(
    lambda kind, count: (
        [
            {
                "type": kind,
                "title": "a.pdf",
                "source": {"type": "base64", "media_type": "image/png", "data": PNG},
            }
        ]
        * count
    ),
    st.sampled_from(["image", "document"]),
    st.integers(1, 24),
)
MEDIA = st.builds(
    lambda kind, title, data: {
        "type": kind,
        "title": title,
        "source": {"type": "base64", "media_type": "application/pdf", "data": data},
    },
    st.sampled_from(["image", "document"]),
    TITLES,
    st.sampled_from([PNG, PDF]),
)
"""Media that pass, beside those of `ANY_BLOCK`, most of which do not."""
ODD_BLOCK = st.one_of(ANY_BLOCK, ANY_BLOCK, MEDIA, SUMMARY, DEFINED, ANYTHING)
CONTENT = st.one_of(
    TEXTS, st.lists(ODD_BLOCK, max_size=5), st.lists(ODD_BLOCK, max_size=5), MANY_MEDIA, ODD_BLOCK, ANYTHING
)
ROLES = st.sampled_from(["user", "assistant", "user", "assistant", "system"])
ODD_MESSAGE = st.fixed_dictionaries(
    {"role": ROLES},
    optional={
        "content": CONTENT,
        "clear_at": st.one_of(st.just("next_user_message"), ANYTHING),
        "output_config": st.one_of(st.just({"effort": "max"}), ANYTHING),
        "id": ANYTHING,
    },
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every list or object in `value` with each of its indexes or keys."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield value, index
            yield from places(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield value, key
            yield from places(item)


def copied(value: Any) -> Any:
    """A value that shares nothing with the pools it was drawn from."""
    return json.loads(json.dumps(value))


@st.composite
def spoiled(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> Any:
    """A value in which a few members are gone, repeated or something else entirely. The value itself keeps its type."""
    value = copied(draw(values))
    for _ in range(draw(st.integers(0, 3))):
        found = list(places(value))
        if not found:
            break
        holder, at = draw(st.sampled_from(found))
        change = draw(st.sampled_from(["replace", "replace", "remove", "repeat"]))
        if change == "remove":
            del holder[at]
        elif change == "repeat" and isinstance(holder, list):
            holder.insert(at, copied(holder[at]))
        else:
            holder[at] = copied(draw(st.one_of(ANYTHING, DEEP)))
    return value


@st.composite
def sessions(draw: st.DrawFn) -> list[Any]:
    """A session with calls and their results in the client's way, each content spoiled, and odd messages in between."""
    messages: list[Any] = []
    for turn in range(draw(st.integers(1, 3))):
        uses = [
            {
                "type": "tool_use",
                "id": draw(st.one_of(IDS, st.just(f"toolu_{turn}_{at}"))),
                "name": draw(NAMES),
                "input": {},
            }
            for at in range(draw(st.integers(0, 3)))
        ]
        results = [
            {
                "type": "tool_result",
                "tool_use_id": use["id"],
                "content": draw(st.one_of(RESULT_CONTENT, st.lists(MEDIA, max_size=2))),
            }
            for use in draw(st.permutations(uses))
        ]
        said = [{"type": "text", "text": "so"}, *draw(st.lists(ODD_BLOCK, max_size=2)), *uses]
        told = [*results, *draw(st.lists(ODD_BLOCK, max_size=2))]
        messages.append({"role": "user", "content": draw(TEXTS)})
        messages.append({"role": "assistant", "content": draw(spoiled(st.just(said)))})
        if draw(st.booleans()):
            messages.append(draw(ODD_MESSAGE))
        messages.append({"role": "user", "content": draw(spoiled(st.just(told)))})
    return messages


MESSAGES = st.one_of(st.lists(ODD_MESSAGE, min_size=1, max_size=6), sessions(), sessions())
FORMATS = st.builds(
    lambda schema: {"format": {"type": "json_schema", "schema": schema, "name": "n"}}, SCHEMAS
)
EXTRAS = {
    "system": st.one_of(TEXTS, spoiled(st.lists(TEXT, max_size=4))),
    "tools": st.one_of(TOOLS, st.lists(spoiled(ODD_TOOLS), max_size=4)),
    "tool_choice": st.one_of(
        st.fixed_dictionaries({"type": st.sampled_from(["auto", "any", "none"])}, optional={"disable_parallel_tool_use": ANYTHING}),
        st.fixed_dictionaries({"type": st.just("tool"), "name": st.one_of(NAMES, ANYTHING)}),
    ),
    "thinking": st.one_of(
        st.fixed_dictionaries(
            {"type": st.sampled_from(["adaptive", "enabled", "disabled", "between_tools"])},
            optional={"budget_tokens": st.one_of(NUMBERS, ANYTHING), "display": ANYTHING, "block_binding": ANYTHING},
        ),
        ANYTHING,
    ),
    "temperature": st.one_of(st.none(), NUMBERS),
    "top_p": st.one_of(st.none(), NUMBERS),
    "top_k": st.integers(-(10**20), 10**20),
    "stop_sequences": st.lists(WORDS, max_size=4),
    "stream": st.booleans(),
    "cache_control": st.one_of(CACHE, ANYTHING),
    "output_config": st.one_of(FORMATS, st.just({"effort": "low"}), ANYTHING),
    "output_format": ANYTHING,
    "metadata": ANYTHING,
    "betas": ANYTHING,
    "context_management": st.one_of(
        ANYTHING, st.just({"edits": [{"type": "clear_tool_uses_20250919"}, {"type": "compact_20260112"}, 3]})
    ),
    "service_tier": ANYTHING,
    "container": ANYTHING,
    "safeguards": ANYTHING,
    "speed": ANYTHING,
    "fallbacks": ANYTHING,
    "thread": st.one_of(st.none(), st.just({"type": "create"})),
    "brand_new": ANYTHING,
}  # fmt: skip
VALID_AT_TOP = st.one_of(
    st.fixed_dictionaries(
        {
            "model": st.just("route-alias"),
            "max_tokens": st.sampled_from([0, 1, 500, 2000, 64000, 2**63]),
            "messages": MESSAGES,
        },
        optional=EXTRAS,
    ),
    REQUESTS,
)
ODD_AT_TOP = st.one_of(
    ANYTHING,
    spoiled(VALID_AT_TOP),
    st.builds(
        lambda request, odd: {**request, **odd},
        VALID_AT_TOP,
        st.dictionaries(
            st.sampled_from(
                ["model", "max_tokens", "messages", *EXTRAS, "inference_geo", "compaction", "mcp_servers"]
            ),
            ANYTHING,
            max_size=2,
        ),
    ),
)


def lasting(value: Any) -> Any:
    """`value` without compaction blocks and reminders that are to go."""
    if isinstance(value, list):
        return [lasting(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") == "compaction":
        return {"type": "text", "text": "compacted"}
    return {key: lasting(item) for key, item in value.items() if key != "clear_at"}


def wire(body: Any) -> bytes:
    """The bytes a client sends: ASCII with escapes, so that an unpaired surrogate travels as its escape."""
    return json.dumps(body).encode()


def wires(body: Any) -> list[bytes]:
    """The same body as other clients write it: spread over lines, and with its characters as they are."""
    plain = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return [json.dumps(body, indent=1).encode(), plain.encode("utf-8", "surrogatepass")]
