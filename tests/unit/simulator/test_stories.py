import json
from typing import Any

import pytest

from openclaude.simulator.script import Ask, Text, ToolCall, ToolOutcome, ToolUse, Turn
from openclaude.simulator.stories import HANDBACK, ToolsStory, is_agent, is_background, tools_story

MAIN_TOOLS = {
    "Agent": frozenset({"description", "prompt", "subagent_type", "model", "run_in_background"}),
    "Bash": frozenset({"command", "description"}),
    "Read": frozenset({"file_path"}),
}
PROMPT = Turn("user", ("please",))


def ask(*turns: Turn, **changes: Any) -> Ask:
    values: dict[str, Any] = {
        "provider": "anthropic",
        "model": "claude-opus-5-5",
        "system": "",
        "turns": (PROMPT, *turns),
        "tools": MAIN_TOOLS,
        "stream": True,
        "headers": {},
        "number": 0,
        "body": {},
    }
    return Ask(**values | changes)


def used(name: str, told: str) -> tuple[Turn, Turn]:
    """A call of a tool and its result."""
    return (
        Turn("assistant", (), (ToolCall(f"id-{name}", name, {}),)),
        Turn("user", (), (), (ToolOutcome(f"id-{name}", told, failed=False),)),
    )


def one_part(conversation: Ask) -> Any:
    (part,) = tools_story(conversation).parts
    return part


def asked_bash(*told: str) -> tuple[Turn, ...]:
    """One call of Bash and its result for each text."""
    return tuple(
        turn
        for number, text in enumerate(told)
        for turn in (
            Turn("assistant", (), (ToolCall(f"bash-{number}", "Bash", {}),)),
            Turn("user", (), (), (ToolOutcome(f"bash-{number}", text, failed=False),)),
        )
    )


DONE_WITH_BASH = asked_bash("first words", "second words")


def test_the_main_model_uses_bash_once_for_each_command() -> None:
    for told, command in (((), "echo openclaude-main-tool"), (("x",), "echo openclaude-second-tool")):
        part = one_part(ask(*asked_bash(*told)))
        assert (part.name, part.input["command"]) == ("Bash", command)


@pytest.mark.parametrize("name", ["Agent", "Task"])
def test_the_main_model_then_asks_a_haiku_agent_in_the_foreground(name: str) -> None:
    tools = {name: MAIN_TOOLS["Agent"], "Bash": MAIN_TOOLS["Bash"]}
    part = one_part(ask(*DONE_WITH_BASH, tools=tools))
    assert part.name == name
    assert part.input["model"] == "haiku"
    assert part.input["subagent_type"] == "general-purpose"
    assert part.input["run_in_background"] is False


def test_an_agent_tool_is_only_given_parameters_it_has() -> None:
    tools = {**MAIN_TOOLS, "Agent": frozenset({"prompt"})}
    assert "run_in_background" not in one_part(ask(*DONE_WITH_BASH, tools=tools)).input


def test_the_main_model_quotes_what_it_received() -> None:
    part = one_part(ask(*DONE_WITH_BASH, *used("Agent", "agent words")))
    assert isinstance(part, Text)
    assert "Bash returned: first words, second words" in part.text
    assert "The sub-agent said: agent words" in part.text


def test_a_background_agent_is_quoted_from_its_notification() -> None:
    note = "<system-reminder><task-notification>x<result>late words</result></task-notification></system-reminder>"
    part = one_part(ask(*DONE_WITH_BASH, *used("Agent", "Async agent launched"), Turn("user", (note,))))
    assert part.text.endswith("The sub-agent said: late words")


@pytest.mark.parametrize(
    "marks",
    [
        pytest.param({"headers": {"x-claude-code-agent-id": "a1"}}, id="header"),
        pytest.param({"system": "x; cc_is_subagent=true;"}, id="system line"),
        pytest.param({"provider": "bedrock"}, id="provider"),
    ],
)
def test_a_sub_agent_uses_its_tool_and_reports_what_it_returned(marks: dict[str, Any]) -> None:
    first = ask(**marks)
    assert is_agent(first)
    assert one_part(first).input["command"] == "echo openclaude-agent-tool"
    last = one_part(ask(*used("Bash", "tool words"), **marks))
    assert last.text == "openclaude-agent-report by claude-opus-5-5: the tool returned tool words"


def test_a_sub_agent_without_bash_reads() -> None:
    part = one_part(ask(provider="bedrock", tools={"Read": frozenset({"file_path"})}))
    assert (part.name, part.input) == ("Read", {"file_path": "README.md"})


def test_a_sub_agent_hands_back_once_when_asked_to() -> None:
    tools = {**MAIN_TOOLS, HANDBACK: frozenset({"message"})}
    part = one_part(ask(*used("Bash", "words"), provider="bedrock", tools=tools))
    assert isinstance(part, ToolUse)
    assert (part.name, part.input["message"]) == (
        HANDBACK,
        "openclaude-agent-report by claude-opus-5-5: the tool returned words",
    )
    assert isinstance(
        one_part(ask(*used("Bash", "words"), *used(HANDBACK, "ok"), provider="bedrock", tools=tools)), Text
    )


def test_a_repeated_request_gets_the_same_answer() -> None:
    conversation = ask(*used("Bash", "words"))
    assert tools_story(conversation) == tools_story(conversation)


@pytest.mark.parametrize(
    "format_",
    [
        pytest.param({"output_config": {"format": {"type": "json_schema"}}}, id="Messages"),
        pytest.param({"outputConfig": {"textFormat": {"type": "json_schema"}}}, id="Converse"),
    ],
)
def test_a_title_is_json(format_: dict[str, Any]) -> None:
    part = one_part(ask(tools={}, body=format_))
    assert json.loads(part.text) == {"title": "A simulated session"}


def test_other_background_requests_get_a_word() -> None:
    conversation = ask(tools={"web_search": frozenset()})
    assert is_background(conversation)
    assert one_part(conversation) == Text("ok")


def test_a_story_may_have_its_own_words() -> None:
    story = ToolsStory(main_commands=("echo other",), agent_marker="other-marker")
    (part,) = story(ask()).parts
    assert isinstance(part, ToolUse)
    assert part.input["command"] == "echo other"
    (report,) = story(ask(*used("Bash", "x"), provider="bedrock")).parts
    assert isinstance(report, Text)
    assert report.text.startswith("other-marker by ")
