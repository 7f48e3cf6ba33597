"""The passes that make any history one Bedrock accepts."""

from typing import Any

import pytest

from openclaude.adapters.bedrock_converse.caching import rendered
from openclaude.adapters.bedrock_converse.conversation import after_compaction, split_system, turns_of
from openclaude.adapters.bedrock_converse.names import Names
from openclaude.adapters.bedrock_converse.pieces import Notes
from openclaude.adapters.profiles import Profile, named, overridden

PDF = "JVBERi0xLjQKJSVFT0Y="
PNG = "iVBORw0KGgowMDAwMDAwMA=="
CACHE = {"type": "ephemeral"}


def text(value: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **more}


def use(call: str, name: str = "grep") -> dict[str, Any]:
    return {"type": "tool_use", "id": call, "name": name, "input": {}}


def result(call: str, content: Any = "ok", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call, "content": content, **more}


def user(*content: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}


def assistant(*content: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(content)}


def system(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "system", "content": content, **more}


def document(title: str = "a.pdf", **more: Any) -> dict[str, Any]:
    source = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    return {"type": "document", "title": title, "source": source, **more}


def image() -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}


def shown(
    *messages: dict[str, Any], profile: str | Profile = "qwen-text"
) -> tuple[list[Any], tuple[str, ...]]:
    """(role, blocks) of every turn, blocks in short, and the notes."""
    notes = Notes()
    chosen = named(profile) if isinstance(profile, str) else profile
    _, behind = split_system(after_compaction(list(messages)))
    turns = turns_of(behind, chosen, Names(), notes)
    return [(turn.role, [short(block) for block in rendered(turn.pieces)]) for turn in turns], notes.codes()


def short(block: dict[str, Any]) -> Any:
    match block:
        case {"text": value}:
            return value
        case {"toolUse": use}:
            return "call " + use["toolUseId"]
        case {"toolResult": found}:
            parts = [short(part) for part in found["content"]]
            return (
                "result " + found["toolUseId"],
                *parts,
                *(["!"] if found.get("status") == "error" else []),
            )
        case {"document": found}:
            return "doc " + found["name"]
        case _:
            return next(iter(block))


@pytest.mark.parametrize(
    ("messages", "turns", "notes"),
    [
        pytest.param([user(text("a")), assistant(text(" ")), user(text("b"))], [("user", ["a", "b"])], (),
                     id="an-emptied-assistant-turn-vanishes"),
        pytest.param([user(text("")), assistant(text("b")), user(text("c"))],
                     [("user", ["."]), ("assistant", ["b"]), ("user", ["c"])], (), id="an-emptied-user-turn-becomes-a-dot"),
        pytest.param([user(text("")), user(text("b"))], [("user", ["b"])], (), id="an-emptied-turn-needs-no-dot-beside-text"),
        pytest.param([assistant(text(" "))], [("user", ["."])], (), id="an-emptied-conversation-is-a-dot"),
        pytest.param([user(text("a")), system("s1"), assistant(text("b")), system([text("s2")])],
                     [("user", ["a", "<system-reminder>\ns1\n</system-reminder>"]), ("assistant", ["b"]),
                      ("user", ["<system-reminder>\ns2\n</system-reminder>"])], (), id="system-text-stays-in-its-place"),
        pytest.param([user(text("a")), assistant(use("t")), system("s"), user(result("t"), text("b"))],
                     [("user", ["a"]), ("assistant", ["call t"]),
                      ("user", [("result t", "ok"), "<system-reminder>\ns\n</system-reminder>", "b"])], (),
                     id="system-text-between-call-and-result-goes-behind-the-result"),
        pytest.param([user(text("a")), system("s", clear_at="next_user_message")],
                     [("user", ["a", "<system-reminder>\ns\n</system-reminder>"])], (), id="clear-at-holds-for-the-last-turn"),
        pytest.param([user(text("a")), assistant(use("t"), text("after"), use("u")), user(result("u"), result("t"))],
                     [("user", ["a"]), ("assistant", ["after", "call t", "call u"]),
                      ("user", [("result t", "ok"), ("result u", "ok")])], (), id="text-behind-calls-moves-before-them"),
        pytest.param([user(text("a")), assistant(use("t"))],
                     [("user", ["a"]), ("assistant", ["call t"]),
                      ("user", [("result t", "(no result was recorded for this tool call)", "!"), "Continue."])],
                     ("prefill_emulated", "tool_result_synthesised"), id="a-last-call-is-answered"),
        pytest.param([user(text("a")), assistant(use("t")), user(text("b")), assistant(text("c")), user(result("t", "late"))],
                     [("user", ["a"]), ("assistant", ["call t"]),
                      ("user", [("result t", "(no result was recorded for this tool call)", "!"), "b"]), ("assistant", ["c"]),
                      ("user", ["[result of an earlier tool call]\nlate"])],
                     ("tool_result_synthesised", "orphan_tool_result"), id="a-late-result-is-text"),
        pytest.param([user(text("a")), assistant(use("t")), assistant(use("t")), user(result("t"))],
                     [("user", ["a"]), ("assistant", ["call t"]), ("user", [("result t", "ok")])], ("duplicate_tool_id",),
                     id="calls-are-unique-in-a-merged-turn"),
        pytest.param([user(text("a"), use("t")), assistant(result("t", "odd"), text("b")), user(text("c"))],
                     [("user", ["a"]), ("assistant", ["[result of an earlier tool call]\nodd", "b"]), ("user", ["c"])],
                     ("block_dropped:tool_use", "orphan_tool_result"), id="blocks-in-the-wrong-role"),
        pytest.param([user(text("old")), assistant({"type": "compaction", "content": "S", "cache_control": CACHE}, text("b")),
                      user(text("c"))],
                     [("user", ["<conversation-summary>\nS\n</conversation-summary>"]), ("assistant", ["b"]), ("user", ["c"])],
                     (), id="what-follows-the-summary-in-its-turn-stays"),
        pytest.param([user(text("old")), assistant({"type": "compaction", "content": None}, text("b")), user(text("c"))],
                     [("user", ["old"]), ("assistant", ["b"]), ("user", ["c"])], (), id="a-failed-compaction-cuts-nothing"),
        pytest.param([user(), assistant(text("b ")), user(text("c"))],
                     [("user", ["."]), ("assistant", ["b "]), ("user", ["c"])], (), id="only-the-last-turn-is-stripped"),
    ],
)  # fmt: skip
def test_a_history_is_put_in_order(messages: list[Any], turns: list[Any], notes: tuple[str, ...]) -> None:
    assert shown(*messages) == (turns, notes)


def test_the_system_messages_a_conversation_begins_with_are_system_text() -> None:
    messages = [
        system("a"),
        system("gone", clear_at="next_user_message"),
        system([text("b")]),
        user(text("hi")),
        system("c"),
    ]
    leading, rest = split_system(messages)
    assert leading == ["a", [text("b")]]
    assert [message["role"] for message in rest] == ["user", "system"]


def test_a_conversation_begins_with_the_user_where_the_model_wants_it_so() -> None:
    messages = [assistant(text("b")), user(text("c"))]
    assert shown(*messages, profile="nova")[0] == [("user", ["."]), ("assistant", ["b"]), ("user", ["c"])]
    assert shown(*messages, profile="qwen-text")[0] == [("assistant", ["b"]), ("user", ["c"])]


def test_a_model_that_continues_its_own_turn_gets_it_last() -> None:
    continues = overridden(named("qwen-text"), trailing_assistant=True)
    assert shown(user(text("a")), assistant(text("b \n")), profile=continues) == (
        [("user", ["a"]), ("assistant", ["b"])],
        (),
    )
    turns, notes = shown(user(text("a")), assistant(use("t")), profile=continues)
    assert turns[-1] == ("user", [("result t", "(no result was recorded for this tool call)", "!")])
    assert notes == ("tool_result_synthesised",)


@pytest.mark.parametrize(
    ("profile", "beside", "apart"),
    [
        ("llama4", [], ["note", "image"]),
        ("claude", ["note", "image"], ["doc a", "."]),
        ("nova", ["note", "image", "doc a"], []),
    ],
)
def test_what_may_not_stand_beside_tool_results_gets_its_own_turn(
    profile: str, beside: list[str], apart: list[str]
) -> None:
    last = user(result("t"), text("note"), image(), *([document()] if profile != "llama4" else []))
    turns, _ = shown(user(text("a")), assistant(use("t")), last, profile=profile)
    assert turns[2] == ("user", [("result t", "ok"), *beside])
    assert turns[3:] == ([("assistant", ["."]), ("user", apart)] if apart else [])


def test_documents_have_unique_names_and_a_text_before_the_last_cache_point() -> None:
    messages = [
        user(document("Q3 \u2116_1.pdf"), document("(x)[y]-q\u00e9."), text("t")),
        assistant(text("b")),
        user(document("Q3 No 1.pdf"), document("Q3 No 1"), document("\u4e2d", cache_control=CACHE)),
    ]
    turns, _ = shown(*messages, profile="claude")
    assert turns[0][1] == ["doc Q3 No 1", "doc (x)[y]-qe", "t"]
    assert turns[2][1] == ["doc Q3 No 1 (2)", "doc Q3 No 1 (3)", "doc document", ".", "cachePoint"]


def test_document_names_stay_unique_and_short_enough_at_any_length() -> None:
    turns, _ = shown(
        user(document("x" * 300), document("x" * 300), document("x" * 300), text("t")), profile="claude"
    )
    names = [block.removeprefix("doc ") for block in turns[0][1][:3]]
    assert names == ["x" * 200, "x" * 196 + " (2)", "x" * 196 + " (3)"]


def test_the_oldest_images_and_documents_over_the_limit_are_left_out() -> None:
    many = [
        user(*[image() for _ in range(15)]),
        assistant(use("t")),
        user(result("t", [image()] * 8), text("b")),
    ]
    turns, notes = shown(*many, profile="claude")
    assert [block == "image" for block in turns[0][1]] == [False] * 3 + [True] * 12
    assert turns[2][1][0] == ("result t", *["image"] * 8)
    assert notes == ("image_omitted",)
    turns, notes = shown(user(*[document(f"d{number}") for number in range(7)]), profile="claude")
    assert turns[0][1][:3] == [
        "[document omitted: d0: the conversation holds more documents than Bedrock accepts]",
        "[document omitted: d1: the conversation holds more documents than Bedrock accepts]",
        "doc d2",
    ]
    assert notes == ("document_omitted",)


def test_media_of_several_results_follow_all_of_them() -> None:
    last = user(result("u", [image()]), result("t", [text("x"), image()]), text("b"))
    turns, _ = shown(user(text("a")), assistant(use("t"), use("u")), last, profile="qwen-vl")
    assert turns[2][1] == [
        ("result t", "x", "[image 2 follows this tool result]"),
        ("result u", "[image 1 follows this tool result]"),
        "[image 1 from tool result u]",
        "image",
        "[image 2 from tool result t]",
        "image",
        "b",
    ]


def test_an_orphaned_result_keeps_its_media() -> None:
    turns, notes = shown(user(result("t", [text("x"), image()], is_error=True), text("b")), profile="nova")
    assert turns == [("user", ["[result of an earlier tool call]\nx", "image", "b"])]
    assert notes == ("orphan_tool_result",)


def test_an_orphaned_result_keeps_no_media_that_the_model_takes_in_results_only() -> None:
    turns, notes = shown(user(result("t", [text("found"), document()])), profile="llama4")
    omitted = "[document omitted: a: this model does not accept document input]"
    assert turns == [("user", ["[result of an earlier tool call]\nfound", omitted])]
    assert notes == ("orphan_tool_result", "document_omitted")


def test_a_model_without_status_reads_that_a_call_failed() -> None:
    turns, _ = shown(
        user(text("a")),
        assistant(use("t"), use("u"), use("v")),
        user(result("t", "no", is_error=True), result("u", [image()], is_error=True)),
        profile=overridden(named("llama4"), tool_result_status=False),
    )
    assert turns[2][1] == [
        ("result t", "Error: no"),
        ("result u", "Error:", "image"),
        ("result v", "Error: (no result was recorded for this tool call)"),
    ]


def test_a_model_without_tools_reads_the_calls_as_text() -> None:
    turns, _ = shown(
        user(text("a")),
        assistant(use("t")),
        user(result("t", "found")),
        profile=overridden(named("qwen-text"), tools=False),
    )
    assert turns == [
        ("user", ["a"]),
        ("assistant", ["[tool call grep {}]"]),
        ("user", ["[result of an earlier tool call]\nfound"]),
    ]
    odd, notes = shown(
        user(text("a")),
        assistant(result("t", [text("odd"), image()])),
        profile=overridden(named("claude"), tools=False),
    )
    assert odd[1] == ("assistant", ["[result of an earlier tool call]\nodd"])
    assert notes == ("orphan_tool_result", "prefill_emulated")
