"""Cache points, from the client's marks to Bedrock's rules."""

import json
from typing import Any

import pytest

from openclaude.adapters.bedrock_converse import translate
from openclaude.adapters.profiles import named

SHORT: dict[str, Any] = {"cache_control": {"type": "ephemeral"}}
LONG: dict[str, Any] = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


def points(profile: str = "claude", **members: Any) -> tuple[dict[str, Any], tuple[str, ...], int]:
    """Where the points are: list name to (index, ttl), the notes, and how many there are."""
    body = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}], **members}
    built = translate(body, named(profile), model_id="m.x")
    lists = {
        "tools": built.body.get("toolConfig", {"tools": []})["tools"],
        "system": built.body.get("system", []),
        **{f"m{index}": message["content"] for index, message in enumerate(built.body["messages"])},
    }
    found = {
        f"{name}.{index}": block["cachePoint"].get("ttl")
        for name, blocks in lists.items()
        for index, block in enumerate(blocks)
        if "cachePoint" in block
    }
    return found, built.notes, built.cache_points


def text(value: str = "x", **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **more}


def user(*content: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}


TOOL = {"name": "a", "input_schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("profile", "members", "found", "notes"),
    [
        pytest.param("qwen-text", {"system": [text(**LONG)], "tools": [{**TOOL, **SHORT}], **SHORT}, {}, (),
                     id="models-without-points-get-none"),
        pytest.param("nova", {"system": [text(**LONG)], "tools": [{**TOOL, **SHORT}]}, {"system.1": None}, (),
                     id="nova-has-none-in-tools-and-no-hours"),
        pytest.param("claude", {"system": [text("a"), text(" ", **LONG)]}, {"system.1": "1h"}, (),
                     id="a-mark-on-a-blank-block-moves-back"),
        pytest.param("claude", {"system": [text("x-anthropic-billing-header: v", **SHORT), text("b")]}, {}, (),
                     id="a-mark-with-nothing-before-it-goes"),
        pytest.param("claude", {"tools": [TOOL, {**TOOL, "name": "late", "defer_loading": True, **SHORT}]},
                     {"tools.1": None}, (), id="a-mark-on-a-tool-out-of-sight-moves-back"),
        pytest.param("claude", {"messages": [user(text()), {"role": "assistant", "content": [text()]}], **LONG},
                     {"m2.1": "1h"}, ("prefill_emulated",), id="a-request-wide-mark-is-on-the-last-user-turn"),
        pytest.param("claude", {"messages": [user(text(**SHORT))], **LONG}, {"m0.1": None}, (),
                     id="a-block-s-own-mark-wins"),
        pytest.param("claude", {"tools": [{**TOOL, **LONG}], "system": [text(**SHORT)], "messages": [user(text(**LONG))]},
                     {"tools.1": "1h", "system.1": None, "m0.1": None}, ("cache_ttl_lowered",), id="long-never-follows-short"),
        pytest.param("claude", {"tools": [{**TOOL, **SHORT}], "system": [text(**LONG), text(**LONG)],
                                "messages": [user(text(**LONG), text(**LONG))]},
                     {"system.1": "1h", "system.3": "1h", "m0.1": "1h", "m0.3": "1h"}, ("cache_points_trimmed",),
                     id="the-earliest-of-five-goes-before-lives-are-compared"),
    ],
)  # fmt: skip
def test_the_points_that_are_sent(
    profile: str, members: Any, found: dict[str, Any], notes: tuple[str, ...]
) -> None:
    assert points(profile, **members) == (found, notes, len(found))


def test_a_moving_mark_leaves_the_text_before_it_unchanged() -> None:
    turns = [user(text("a")), {"role": "assistant", "content": [text("b")]}, user(text("c"))]
    early = translate(
        {"model": "m", "max_tokens": 1, "messages": turns[:1], **SHORT}, named("claude"), model_id="m.x"
    )
    late = translate(
        {"model": "m", "max_tokens": 1, "messages": turns, **SHORT}, named("claude"), model_id="m.x"
    )
    plain = json.dumps(early.body["messages"]).replace(', {"cachePoint": {"type": "default"}}', "")
    assert json.dumps(late.body["messages"][:1]) == plain
