import hashlib
import string
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from openclaude.config import PRESETS, Config, ConfigError, RouteConfig, parse, parse_bytes
from openclaude.config.schema import TABLES

Said = Callable[[str], str]

MIXED = PRESETS["mixed"]
ISSUE_FORMAT = """\
[gateway]
port = 4001

[slots]
haiku = "qwen-3-coder"

[client]
config = "isolated"

[[routes]]
match = "claude-*"
to    = "anthropic"

[[routes]]
match  = "qwen-3-coder"
to     = "bedrock"
model  = "qwen.qwen3-coder-next"
region = "us-west-2"
profile = "openclaude"
endpoint_url = "https://vpce-0123.bedrock-runtime.us-west-2.vpce.amazonaws.com"
"""


def test_a_file_with_every_key_becomes_a_configuration() -> None:
    assert parse(ISSUE_FORMAT, "config.toml") == Config(
        port=4001,
        slots={"haiku": "qwen-3-coder"},
        routes=(
            RouteConfig("claude-*", "anthropic", None, None, None, None, 10),
            RouteConfig(
                "qwen-3-coder",
                "bedrock",
                "qwen.qwen3-coder-next",
                "us-west-2",
                "openclaude",
                "https://vpce-0123.bedrock-runtime.us-west-2.vpce.amazonaws.com",
                14,
            ),
        ),
        client_config="isolated",
        source=Path("config.toml"),
        text_sha256=hashlib.sha256(ISSUE_FORMAT.encode()).hexdigest(),
        normalised=(),
    )


def test_an_empty_file_is_the_default_configuration() -> None:
    config = parse("", "config.toml")
    mixed = parse(MIXED, "config.toml")
    assert (config.port, config.slots, config.client_config) == (4000, {"haiku": "qwen-3-coder"}, "shared")
    assert [(route.match, route.to, route.model, route.region) for route in config.routes] == [
        (route.match, route.to, route.model, route.region) for route in mixed.routes
    ]
    assert {route.line for route in config.routes} == {0}


def test_a_file_without_routes_keeps_the_default_ones_and_its_own_slots() -> None:
    config = parse("[slots]\nsonnet = 'qwen-3-coder'", "config.toml")
    assert config.slots == {"sonnet": "qwen-3-coder"}
    assert [route.match for route in config.routes] == ["claude-*", "qwen-3-coder"]


def test_a_file_with_routes_and_without_slots_has_no_slots() -> None:
    assert parse('[[routes]]\nmatch = "claude-*"\nto = "anthropic"', "config.toml").slots == {}


def test_slots_cannot_be_changed_afterwards() -> None:
    with pytest.raises(TypeError):
        parse("", "f").slots["haiku"] = "x"  # type: ignore[index]


def test_nothing_is_taken_from_the_environment(said: Said) -> None:
    assert said('[slots]\nhaiku = "$HOME"').startswith('config.toml:2: slots.haiku: no route takes "$HOME"\n')


def test_all_problems_are_told_at_once_in_the_order_of_the_file(said: Said) -> None:
    text = """\
[gateway]
port = 0
[slots]
opsu = "x"
[[routes]]
match = "claude-*"
to = "anthropc"
[[routes]]
match = "qwen"
to = "bedrock"
region = "west"
model = ".."
[tail]
"""
    assert said(text) == (
        "config.toml:2: gateway.port: must be between 1 and 65535\n"
        "  hint: leave the line out to use port 4000\n"
        "config.toml:4: slots.opsu: unknown key\n"
        '  hint: did you mean "opus"?\n'
        'config.toml:7: routes[0].to: is unknown: "anthropc"\n'
        "  hint: write one of: anthropic, bedrock\n"
        'config.toml:11: routes[1].region: is not an AWS region: "west"\n'
        '  hint: write it as in "us-west-2"\n'
        'config.toml:12: routes[1].model: is not a Bedrock model id: ".."\n'
        "  hint: write a model id, an inference profile id or an ARN as the Bedrock console shows it\n"
        "config.toml:13: tail: unknown table\n"
        "  hint: known here: gateway, slots, client, routes"
    )


@pytest.mark.parametrize(
    ("text", "start"),
    [
        pytest.param(
            "a = 1\nb = \n", "config.toml:2: is not valid TOML: Invalid value, at column 5\n", id="no value"
        ),
        pytest.param(
            "a = 1\na = 2", "config.toml:2: is not valid TOML: Cannot overwrite a value", id="twice"
        ),
        pytest.param(
            '\na = """x\n',
            "config.toml:3: is not valid TOML: Unterminated string\n",
            id="an open text at the end",
        ),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(said: Said, text: str, start: str) -> None:
    answer = said(text)
    assert answer.startswith(start)
    assert answer.endswith(
        '\n  hint: texts need quotes, a table is [name], a route begins with [[routes]], a comment with "#"'
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a = " + "[" * 5000 + "]" * 5000, id="arrays the parser gives up on"),
        pytest.param("a = " + "[" * 40 + "]" * 40, id="arrays"),
        pytest.param("a = " + "{ a = " * 40 + "1" + " }" * 40, id="inline tables"),
        pytest.param("a" + ".a" * 31 + " = [[1]]", id="arrays in a dotted key"),
    ],
)
def test_nesting_without_end_is_refused(said: Said, text: str) -> None:
    assert said(text) == (
        "config.toml: is nested too deeply\n  hint: no setting is inside more than two tables"
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a" + ".a" * 100_000 + " = 1", id="a dotted key"),
        pytest.param("[a" + ".a" * 100_000 + "]", id="a dotted table"),
        pytest.param("[a" + " . 'b.c'.\"d\"" * 16 + "]", id="a table of quoted names"),
    ],
)
def test_a_key_without_end_is_refused_with_its_line(said: Said, text: str) -> None:
    assert said(f"\n{text}") == (
        "config.toml:2: is nested too deeply\n  hint: no setting is inside more than two tables"
    )


@pytest.mark.parametrize("word", ["a", '"', "'", "a "])
def test_a_comment_of_endless_words_is_no_endless_key(word: str) -> None:
    assert parse(f"# {word * 100_000}\n", "config.toml").port == 4000


def test_a_number_without_end_is_refused(said: Said) -> None:
    assert said("[gateway]\nport = " + "9" * 5000) == (
        "config.toml: has a number that is too long\n  hint: port is 1 to 65535, linger counts seconds"
    )


def test_a_long_number_in_another_base_is_refused(said: Said) -> None:
    assert said("[gateway]\nport = 0x" + "f" * 5000) == (
        "config.toml:2: gateway.port: must be between 1 and 65535\n  hint: leave the line out to use port 4000"
    )


def test_bytes_that_are_no_text_are_refused_with_their_line() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_bytes(b"# fine\n# \xff\n", "config.toml")
    assert str(caught.value) == (
        "config.toml:2: is not UTF-8 text\n  hint: save the file in the encoding UTF-8"
    )


def test_a_byte_order_mark_and_windows_newlines_do_no_harm() -> None:
    data = b"\xef\xbb\xbf" + MIXED.replace("\n", "\r\n").encode()
    config = parse_bytes(data, "config.toml")
    assert config.routes == parse(MIXED, "config.toml").routes
    assert config.text_sha256 == hashlib.sha256(data).hexdigest()


def problems_of(data: bytes) -> ConfigError | None:
    try:
        parse_bytes(data, "config.toml")
    except ConfigError as error:
        return error
    return None


@settings(deadline=None)
@given(st.binary(max_size=200))
@example(b"\xed\xa0\x80")
@example(b"\x00")
@example(b"a = 1979-13-01")
@example(b"routes = [[]]")
def test_no_bytes_raise_anything_but_a_configuration_error(data: bytes) -> None:
    error = problems_of(data)
    assert error is None or error.problems


def test_a_lone_surrogate_in_a_text_raises_no_other_error() -> None:
    assert parse("# \ud800", "config.toml").port == 4000


NAMES = sorted({*TABLES, *(key for table in TABLES.values() for key in table), "x", "api_key", "base_url"})
WORDS = st.sampled_from(
    [
        "[",
        "]",
        "{",
        "}",
        "=",
        ",",
        ".",
        "\n",
        " ",
        '"',
        "'",
        "#",
        "true",
        "4000",
        '"anthropic"',
        '"bedrock"',
        '"claude-*"',
        '"us-west-2"',
        '""',
        *NAMES,
        *(f"\n[{name}]\n" for name in TABLES),
        "\n[[routes]]\n",
    ]
)


@settings(deadline=None)
@given(st.lists(WORDS, max_size=40).map("".join))
def test_no_toml_like_text_raises_anything_but_a_configuration_error(text: str) -> None:
    error = problems_of(text.encode())
    for problem in error.problems if error else ():
        assert 0 <= problem.line <= text.count("\n") + 1
        assert problem.hint
        assert problem.message.isprintable()


VALUES = st.sampled_from(
    [
        '"anthropic"',
        '"bedrock"',
        '"claude-*"',
        '"qwen"',
        '"us-west-2"',
        '""',
        "0",
        "4000",
        "true",
        "[]",
        "{}",
        "07:32:00",
        '"https://host.example"',
        '"arn:aws:bedrock:us-east-1::foundation-model/x"',
        "[{}]",
        "inf",
    ]
)
PAIRS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["gateway", "slots", "client", "x"]), PAIRS), unique_by=lambda t: t[0]
    ),
    st.lists(PAIRS),
)
def test_a_problem_names_the_line_its_key_is_in(
    tables: list[tuple[str, dict[str, str]]], routes: list[dict[str, str]]
) -> None:
    rows: list[str] = []
    for header, pairs in [
        *((f"[{name}]", pairs) for name, pairs in tables),
        *(("[[routes]]", pairs) for pairs in routes),
    ]:
        rows += [header, *(f"{key} = {value}" for key, value in pairs.items())]
    error = problems_of("\n".join(rows).encode())
    for problem in error.problems if error else ():
        name = problem.key.rstrip(string.digits + "[]").rpartition(".")[2]
        row = rows[problem.line - 1]
        assert row.startswith((f"{name} = ", f"[{name}]", f"[[{name}]]")) or problem.message == "is missing"
