import threading
from typing import Any

from openclaude.simulator.replies import Cut, Ending, Pause, Raw
from openclaude.simulator.script import (
    Answer,
    Ask,
    Text,
    ToolCall,
    ToolOutcome,
    ToolUse,
    Turn,
    echo,
    performed,
    say,
)

EVENTS = [b"one", b"two", b"three"]


def ask(*turns: Turn, **changes: Any) -> Ask:
    values: dict[str, Any] = {
        "provider": "anthropic",
        "model": "claude-opus-5-5",
        "system": "",
        "turns": turns,
        "tools": {},
        "stream": True,
        "headers": {},
        "number": 0,
        "body": {},
    }
    return Ask(**values | changes)


def test_the_user_text_is_what_the_user_wrote_last() -> None:
    reminder = "<system-reminder>\nnot the user\n</system-reminder>"
    conversation = ask(
        Turn("user", ("first",)),
        Turn("assistant", ("answer",)),
        Turn("user", (reminder, "second", reminder)),
        Turn("system", ("rules",)),
    )
    assert conversation.user_text == "second"
    assert ask().user_text == ""


def test_outcomes_pair_calls_with_results_whatever_their_order() -> None:
    one, two, open_call = ToolCall("1", "Bash", {}), ToolCall("2", "Read", {}), ToolCall("3", "Edit", {})
    first, second = ToolOutcome("1", "x", failed=False), ToolOutcome("2", "y", failed=True)
    conversation = ask(Turn("assistant", (), (one, two, open_call)), Turn("user", (), (), (second, first)))
    assert conversation.outcomes() == ((one, first), (two, second))


def test_the_stop_reason_follows_from_the_parts_unless_it_is_given() -> None:
    assert say("x").stop_reason == "end_turn"
    assert Answer((Text("x"), ToolUse("Bash", {}))).stop_reason == "tool_use"
    assert Answer((Text("x"),), stop="max_tokens").stop_reason == "max_tokens"


def test_echo_names_the_model_and_the_first_eight_words() -> None:
    words = Turn("user", ("a b c d e f g h i j",))
    assert echo(ask(words)) == say("claude-opus-5-5 heard: a b c d e f g h")
    assert echo(ask()) == say("claude-opus-5-5 heard: nothing")


def test_a_plain_answer_performs_its_events() -> None:
    assert list(performed(EVENTS, say(""))) == EVENTS


def test_pace_pauses_between_events() -> None:
    answer = Answer((), pace=0.5)
    assert list(performed(EVENTS, answer)) == [b"one", Pause(0.5), b"two", Pause(0.5), b"three"]


def test_a_cut_replaces_the_events_after_it() -> None:
    assert list(performed(EVENTS, Answer((), cut_after=1))) == [b"one", Cut(Ending.EOF)]
    rubbish = (Raw(b"zz"), Cut(Ending.RESET))
    assert list(performed(EVENTS, Answer((), cut_after=0, cut_with=rubbish))) == list(rubbish)
    assert list(performed(EVENTS, Answer((), cut_after=3))) == [*EVENTS, Cut(Ending.EOF)]


def test_a_stream_with_a_gate_stands_still_until_it_is_set() -> None:
    gate = threading.Event()
    pieces = performed([b"%d" % number for number in range(7)], Answer((), gate=gate))
    assert [next(pieces) for _ in range(7)] == [b"0", b"1", b"2", b"3", b"4", Pause(0.02), Pause(0.02)]
    gate.set()
    assert list(pieces) == [b"5", b"6"]


def test_slices_ignore_the_borders_of_events() -> None:
    assert list(performed(EVENTS, Answer((), slice_bytes=4))) == [b"onet", b"woth", b"ree"]
