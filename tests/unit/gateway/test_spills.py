from fakes.log import FakeLog
from openclaude.gateway.plan import Wall
from openclaude.gateway.spills import RECENT, Spills, Whose, said

OPUS = Whose("", "claude-opus-5-5")
FULL = Wall("5h", 0.96, 1000.0)


def telling() -> tuple[Spills, list[tuple[str, dict[str, str]]]]:
    log = FakeLog()
    return Spills(log), log.events


def test_a_change_is_told_once() -> None:
    spills, told = telling()
    for _ in range(3):
        spills.away(OPUS, "bedrock-opus", FULL)
    assert told == [
        ("plan-away", {"model": OPUS.model, "to": "bedrock-opus", "why": "5h at 96 %", "until": "1000"})
    ]


def test_a_fuller_window_with_the_same_end_is_no_change_and_another_end_is_one() -> None:
    spills, told = telling()
    spills.away(OPUS, "x", FULL)
    spills.away(OPUS, "x", Wall("5h", 0.99, 1000.0))
    spills.away(OPUS, "x", Wall("7d", 0.99, 9000.0))
    spills.away(OPUS, "y", Wall("7d", 0.99, 9000.0))
    assert [(fields["to"], fields["until"]) for _, fields in told] == [
        ("x", "1000"),
        ("x", "9000"),
        ("y", "9000"),
    ]


def test_the_way_back_is_told_once_and_with_its_reason() -> None:
    spills, told = telling()
    spills.back(OPUS, 1.0)
    spills.away(OPUS, "x", FULL)
    spills.back(OPUS, 1000.0)
    spills.back(OPUS, 1001.0)
    spills.away(OPUS, "x", Wall("5h", None, 3000.0))
    spills.back(OPUS, 2500.0)
    assert [fields["why"] for event, fields in told if event == "plan-back"] == ["begun anew", "served again"]


def test_a_profile_is_named_and_has_changes_of_its_own() -> None:
    spills, told = telling()
    spills.away(OPUS, "x", FULL)
    spills.away(Whose("work", OPUS.model), "x", FULL)
    assert [fields.get("profile") for _, fields in told] == [None, "work"]
    assert [row["profile"] for row in spills.shown(500.0)] == ["", "work"]


def test_failures_in_a_row_are_told_once_and_shown_for_a_while() -> None:
    spills, told = telling()
    for now in (0.0, 10.0, 20.0):
        spills.fell(OPUS, "x", "overloaded", now)
    assert told == [("fallback", {"model": OPUS.model, "to": "x", "why": "overloaded"})]
    assert spills.shown(20.0 + RECENT) == [
        {"profile": "", "model": OPUS.model, "to": "x", "why": "overloaded", "at": 20.0}
    ]
    assert spills.shown(21.0 + RECENT) == []
    spills.fell(OPUS, "x", "overloaded", 21.0 + RECENT)
    assert len(told) == 2


def test_what_is_over_is_not_shown() -> None:
    spills, _ = telling()
    spills.away(OPUS, "x", FULL)
    assert [row["until"] for row in spills.shown(999.0)] == [1000.0]
    assert spills.shown(1000.0) == []


def test_names_that_a_client_makes_up_do_not_fill_the_memory() -> None:
    spills, _ = telling()
    for number in range(1000):
        spills.away(Whose("", f"claude-{number}"), "x", FULL)
        spills.fell(Whose("", f"claude-{number}"), "x", "error", 500.0)
    assert len(spills.shown(500.0)) <= 128


def test_a_wall_is_said_in_a_few_words() -> None:
    assert said(FULL) == "5h at 96 %"
    assert said(Wall("7d_opus", None, 1.0)) == "7d_opus used up"
    assert said(Wall("", None, 1.0)) == "plan used up"
