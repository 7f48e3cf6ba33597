import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaude.domain.models import SLOTS, covers, is_claude, is_pattern, matches, normalise

SUFFIXED = st.lists(
    st.sampled_from(["[1m]", "[1M]", " ", "\t", "x", "[1", "m]", "claude-", "[", "]"]), max_size=12
)
GLOB = st.text("ab*?", max_size=7)
NAME = st.text("abc", max_size=9)


def test_there_are_four_slots() -> None:
    assert SLOTS == ("opus", "sonnet", "haiku", "fable")


@pytest.mark.parametrize(
    ("written", "used"),
    [
        pytest.param("claude-opus-5-5", "claude-opus-5-5", id="a plain name stays"),
        pytest.param(" qwen-3-coder\t\n", "qwen-3-coder", id="surrounding blanks go"),
        pytest.param("x[1m]", "x", id="one suffix goes"),
        pytest.param("x [1M][1m] ", "x", id="doubled, upper case and blank go"),
        pytest.param("x[1m][1m][1M]", "x", id="three go"),
        pytest.param("[1m]", "", id="nothing but a suffix is nothing"),
        pytest.param("x[1m]y", "x[1m]y", id="only the end is a suffix"),
        pytest.param("a b", "a b", id="an inner blank stays"),
        pytest.param("x[2m]", "x[2m]", id="another bracket stays"),
        pytest.param("", "", id="empty stays empty"),
    ],
)
def test_a_name_is_used_without_blanks_and_long_context_suffixes(written: str, used: str) -> None:
    assert normalise(written) == used


@settings(deadline=None)
@given(st.one_of(st.text(), SUFFIXED.map("".join)))
def test_normalising_is_idempotent_and_leaves_no_suffix(name: str) -> None:
    used = normalise(name)
    assert normalise(used) == used
    assert used == used.strip()
    assert not used.lower().endswith("[1m]")
    assert used in name


@settings(deadline=None)
@given(st.text())
def test_a_name_that_needs_no_change_is_the_same_object(name: str) -> None:
    used = normalise(name)
    assert normalise(used) is used


@pytest.mark.parametrize(
    ("pattern", "name", "taken"),
    [
        pytest.param("qwen-3-coder", "qwen-3-coder", True, id="the exact name"),
        pytest.param("qwen-3-coder", "qwen-3-coder-next", False, id="not a longer name"),
        pytest.param("claude-*", "claude-opus-5-5", True, id="a star is any text"),
        pytest.param("claude-*", "claude-", True, id="a star is no text"),
        pytest.param("claude-*", "anthropic.claude-opus", False, id="the pattern is anchored"),
        pytest.param("*\n", "a\nb\n", True, id="a star crosses lines"),
        pytest.param("gpt-?", "gpt-5", True, id="a question mark is one character"),
        pytest.param("gpt-?", "gpt-", False, id="a question mark is not nothing"),
        pytest.param("CLAUDE-*", "claude-opus", False, id="case matters"),
        pytest.param("x[ab]", "x[ab]", True, id="brackets are characters"),
        pytest.param("x[ab]", "xa", False, id="brackets are no class"),
        pytest.param("x[!a]", "xb", False, id="negated brackets are no class"),
        pytest.param("[[]*", "[[]y", True, id="every bracket is a character"),
        pytest.param("a.b", "axb", False, id="a dot is a dot"),
    ],
)
def test_a_pattern_takes_a_name(pattern: str, name: str, taken: bool) -> None:
    assert matches(pattern, name) is taken


@settings(deadline=None)
@given(st.text().filter(lambda name: not is_pattern(name)), st.text())
def test_a_pattern_without_wildcards_takes_itself_and_nothing_else(pattern: str, name: str) -> None:
    assert matches(pattern, pattern)
    assert matches(pattern, name) is (pattern == name)


@pytest.mark.parametrize(("name", "answer"), [("a*", True), ("?", True), ("[a]", False), ("", False)])
def test_a_star_or_a_question_mark_makes_a_pattern(name: str, answer: bool) -> None:
    assert is_pattern(name) is answer


@pytest.mark.parametrize(
    ("wide", "narrow", "answer"),
    [
        pytest.param("claude-*", "claude-opus-5-5", True, id="a name inside a glob"),
        pytest.param("claude-*", "claude-*", True, id="the same pattern"),
        pytest.param("*", "", True, id="a star has the empty name"),
        pytest.param("*", "a*?", True, id="a star has everything"),
        pytest.param("claude-*", "claude-opus-*", True, id="a narrower glob"),
        pytest.param("claude-opus-*", "claude-*", False, id="a wider glob"),
        pytest.param("a?", "a*", False, id="one character is not any text"),
        pytest.param("a*", "a?", True, id="any text is one character"),
        pytest.param("?", "?", True, id="one character is one character"),
        pytest.param("a", "?", False, id="a letter is not any character"),
        pytest.param("*a**b", "xaxb", True, id="stars side by side"),
        pytest.param("ab", "a", False, id="the rest of the wide pattern counts"),
        pytest.param("?*", "*?", False, id="an odd pair is left undecided"),
    ],
)
def test_a_pattern_covers_another(wide: str, narrow: str, answer: bool) -> None:
    assert covers(wide, narrow) is answer


@settings(deadline=None)
@given(GLOB, GLOB, NAME)
def test_a_name_of_a_covered_pattern_is_a_name_of_the_covering_one(wide: str, narrow: str, name: str) -> None:
    if covers(wide, narrow) and matches(narrow, name):
        assert matches(wide, name)


@settings(deadline=None)
@given(GLOB, NAME)
def test_covering_a_plain_name_is_matching_it(pattern: str, name: str) -> None:
    assert covers(pattern, name) is matches(pattern, name)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        pytest.param("claude-opus-5-5", True, id="a Claude name"),
        pytest.param("qwen-3-coder", False, id="another maker's name"),
        pytest.param(
            "us.anthropic.claude-opus-5-5", False, id="a Bedrock id, which the client does not know"
        ),
        pytest.param("Claude-opus", False, id="upper case"),
    ],
)
def test_the_client_takes_a_name_that_begins_with_claude_for_a_claude_model(
    name: str,
    answer: bool,
) -> None:
    assert is_claude(name) is answer
