"""Which tools are offered, under which names, and what the model is told to choose."""

from typing import Any

import pytest

from openclaude.adapters.bedrock_converse import Translation, translate
from openclaude.adapters.bedrock_converse.tools import Catalogs, read_history
from openclaude.adapters.profiles import Profile, named, overridden
from openclaude.domain.errors import ApiError

SCHEMA = {"type": "object", "properties": {}}


def tool(name: str = "grep", **more: Any) -> dict[str, Any]:
    return {"name": name, "input_schema": SCHEMA, **more}


def built(tools: list[Any], profile: str | Profile = "qwen-text", **more: Any) -> Translation:
    body = {
        "model": "m",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "hi"}],
        "tools": tools,
        **more,
    }
    chosen = named(profile) if isinstance(profile, str) else profile
    return translate(body, chosen, model_id="anthropic.claude-sonnet-4-6")


def names(translation: Translation) -> list[str]:
    config = translation.body.get("toolConfig", {"tools": []})
    return [entry["toolSpec"]["name"] for entry in config["tools"] if "toolSpec" in entry]


def used(name: str) -> list[dict[str, Any]]:
    use = {"type": "tool_use", "id": "t", "name": name, "input": {}}
    return [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "ok"}]},
    ]


def changed(kind: str, reference: dict[str, Any]) -> dict[str, Any]:
    return {"role": "system", "content": [{"type": kind, "tool": reference}]}


LATE = tool("late", defer_loading=True)
SEARCH = {"type": "tool_search_tool_regex_20251119", "name": "tool_search"}


@pytest.mark.parametrize(
    ("tools", "more", "shown", "notes"),
    [
        pytest.param([tool(), LATE], {}, ["grep"], (), id="a-deferred-tool-waits"),
        pytest.param([tool(), tool("late", custom={"defer_loading": True})], {}, ["grep"], (), id="deferred-in-custom"),
        pytest.param([tool(), LATE], {"messages": used("late")}, ["grep", "late"], (), id="history-calls-it"),
        pytest.param([tool(), LATE], {"tool_choice": {"type": "tool", "name": "late"}}, ["grep", "late"], (), id="choice-names-it"),
        pytest.param([tool(), LATE, SEARCH], {}, ["grep", "late"], ("server_tool_dropped", "deferred_tools_sent"),
                     id="a-search-that-cannot-run-shows-all"),
        pytest.param([tool(), {"type": "computer_20251124", "name": "computer"}], {}, ["grep"], ("typed_tool_dropped",),
                     id="computer-use-is-dropped"),
        pytest.param([tool(), {"type": "mcp_toolset", "mcp_server_name": "m"}], {}, ["grep"], ("server_tool_dropped",),
                     id="server-side-mcp-is-dropped"),
        pytest.param([tool(allowed_callers=["code_execution_20250825"]), tool("b")], {}, ["b"], (), id="only-direct-callers"),
        pytest.param([tool(), tool()], {}, ["grep"], (), id="a-name-twice"),
        pytest.param([{"input_schema": SCHEMA}], {}, ["unnamed_tool_0"], (), id="no-name"),
        pytest.param([tool("a", type="future_20290101")], {}, ["a"], (), id="an-unknown-type-with-a-schema"),
        pytest.param([{"name": "a"}], {}, ["a"], ("schema_normalised",), id="no-schema"),
        pytest.param([{"type": "memory_20250818", "name": "memory"}, {"type": "text_editor_20241022", "name": "edit"}], {},
                     ["memory", "edit"], ("typed_tool_emulated",), id="typed-tools-the-client-runs"),
        pytest.param([{"type": "web_search_20250305", "name": "w"}], {"tool_choice": {"type": "none"}}, [], (),
                     id="server-tools-nobody-may-call"),
        pytest.param([tool()], {"tool_choice": {"type": "none"}, "messages": used("grep")}, ["openclaude_no_tools"], (),
                     id="none-with-a-history-of-calls"),
        pytest.param([tool("a" * 70), tool("b.c")], {},
                     ["a" * 55 + "_6bd5e503", "b_c_b476cc5a"], (), id="names-are-shortened-and-cleaned"),
    ],
)  # fmt: skip
def test_the_tools_that_are_offered(
    tools: list[Any], more: dict[str, Any], shown: list[str], notes: tuple[str, ...]
) -> None:
    translation = built(tools, **more)
    assert names(translation) == shown
    assert translation.notes == notes


def test_the_last_change_of_a_tool_in_the_conversation_wins() -> None:
    user = {"role": "user", "content": "x"}
    late, grep = {"type": "tool_reference", "name": "late"}, {"type": "tool_reference", "name": "grep"}
    inline = {"type": "tool_definition", "definition": tool("inline")}
    messages = [
        user,
        changed("tool_addition", late),
        changed("tool_removal", grep),
        changed("tool_addition", inline),
    ]
    assert names(built([tool(), LATE], messages=messages)) == ["late", "inline"]
    back = [
        *messages,
        changed("tool_addition", grep),
        changed("tool_removal", late),
        changed("tool_removal", {}),
    ]
    assert names(built([tool(), LATE], messages=back)) == ["grep", "inline"]


def test_a_server_tool_that_only_the_history_adds_is_no_reason_to_refuse() -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}
    messages = [
        {"role": "user", "content": "x"},
        changed("tool_addition", {"type": "tool_definition", "definition": search}),
    ]
    assert names(built([], messages=messages)) == []
    with pytest.raises(ApiError, match="web_search runs on Anthropic's servers"):
        built([search])


def test_a_compaction_block_tells_the_changes_it_replaces() -> None:
    change = {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "late"}}
    history = read_history(
        [{"role": "assistant", "content": [{"type": "compaction", "tool_changes": [change, {"tool": 3}]}]}]
    )
    assert history.state == {"late": True}


@pytest.mark.parametrize(
    ("profile", "choice", "more", "becomes", "notes"),
    [
        ("qwen-text", {"type": "any"}, {}, {"any": {}}, ()),
        ("qwen-text", {"type": "tool", "name": "gone"}, {}, None, ("tool_choice_downgraded",)),
        ("qwen-text", {"type": "auto"}, {}, None, ()),
        (
            "claude",
            {"type": "tool", "name": "grep"},
            {"thinking": {"type": "adaptive"}},
            None,
            ("tool_choice_downgraded",),
        ),
    ],
    ids=["any", "a-tool-that-is-not-there", "auto-is-the-default", "thinking-claude-chooses-itself"],
)
def test_what_the_model_is_told_to_choose(
    profile: str,
    choice: dict[str, Any],
    more: dict[str, Any],
    becomes: Any,
    notes: tuple[str, ...],
) -> None:
    translation = built([tool()], profile, tool_choice=choice, **more)
    assert translation.body["toolConfig"].get("toolChoice") == becomes
    assert translation.notes == notes


def test_strict_tools_are_passed_on_where_they_work_and_no_more_than_bedrock_compiles() -> None:
    strict = [tool(f"t{number}", strict=True) for number in range(25)]
    assert "strict" not in built(strict).body["toolConfig"]["tools"][0]["toolSpec"]
    specs = built(strict, overridden(named("qwen-text"), strict=True)).body["toolConfig"]["tools"]
    assert [spec["toolSpec"].get("strict", False) for spec in specs] == [True] * 20 + [False] * 5


def test_a_model_without_tools_gets_none() -> None:
    assert (
        "toolConfig"
        not in built([tool()], overridden(named("qwen-text"), tools=False), messages=used("grep")).body
    )


def test_the_undo_command_belongs_to_the_first_editors_only() -> None:
    commands = [
        built([{"type": kind, "name": "e"}]).body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"][
            "json"
        ]["properties"]
        for kind in ("text_editor_20250124", "text_editor_20250728")
    ]
    assert ["undo_edit" in found["command"]["enum"] for found in commands] == [True, False]
    assert ["insert_text" in found for found in commands] == [False, True]


def test_a_list_of_tools_is_read_once_and_the_oldest_lists_are_forgotten() -> None:
    catalogs = Catalogs(named("qwen-text"))
    first = catalogs.read([tool()])
    assert catalogs.read([tool()]) is first
    for number in range(40):
        catalogs.read([tool(f"t{number}")])
    assert catalogs.read([tool()]) is not first
    assert catalogs.read([tool("t39")]) is catalogs.read([tool("t39")])


def test_translating_does_not_change_what_the_cached_list_says() -> None:
    tools = [
        tool(cache_control={"type": "ephemeral", "ttl": "1h"}),
        tool("b", cache_control={"type": "ephemeral"}),
    ]
    many = [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}} for _ in range(4)]
    plain = built(tools, "claude").payload
    built(tools, "claude", system=many)
    assert built(tools, "claude").payload == plain


@pytest.mark.parametrize(
    ("tools", "fragment"),
    [([{"type": "web_fetch_20250910", "name": "web_fetch"}, LATE], "web_fetch"), ([3], "tools.0")],
    ids=["nothing-that-runs-here-is-in-sight", "not-an-object"],
)
def test_a_list_of_tools_that_cannot_be_served_is_refused(tools: list[Any], fragment: str) -> None:
    with pytest.raises(ApiError, match=fragment):
        built(tools)
