from collections.abc import Callable

import pytest

from openclaude.config import parse

Said = Callable[[str], str]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        pytest.param(
            "[gateway]\nprot = 4000",
            'config.toml:2: gateway.prot: unknown key\n  hint: did you mean "port"?',
            id="a slip in a key",
        ),
        pytest.param(
            "[gateway]\nPORT = 4000",
            'config.toml:2: gateway.PORT: unknown key\n  hint: did you mean "port"?',
            id="upper case",
        ),
        pytest.param(
            "[gateway]\nverbose = 1",
            "config.toml:2: gateway.verbose: unknown key\n  hint: known here: port, linger",
            id="nothing alike",
        ),
        pytest.param(
            "[slots]\nport = 4000",
            "config.toml:2: slots.port: unknown key\n  hint: it belongs under [gateway]",
            id="a key of another table",
        ),
        pytest.param(
            "region = 'us-west-2'",
            "config.toml:1: region: unknown key\n  hint: it belongs under [[routes]]",
            id="a route's key above all tables",
        ),
        pytest.param(
            "prot = 4000",
            'config.toml:1: prot: unknown key\n  hint: did you mean "port", under [gateway]?',
            id="a slip in a key of another table",
        ),
        pytest.param(
            "[slot]\nhaiku = 'x'",
            'config.toml:1: slot: unknown table\n  hint: did you mean "slots"?',
            id="a slip in a table",
        ),
        pytest.param(
            "[bedrock]\nx = 1",
            "config.toml:1: bedrock: unknown table\n  hint: known here: gateway, slots, client, routes",
            id="a table nothing is like",
        ),
        pytest.param(
            "[gateway]\nhost = '0.0.0.0'",
            "config.toml:2: gateway.host: the gateway listens on 127.0.0.1 and nowhere else\n  hint: remove the line",
            id="an address to listen on",
        ),
        pytest.param(
            "[gateway]\nca_file = 'ca.pem'",
            "config.toml:2: gateway.ca_file: is a flag and no setting\n"
            "  hint: remove the line; see `openclaude serve --help`",
            id="what only a flag may do",
        ),
        pytest.param(
            "gateway.connect_to = 'a:1=b:2'",
            "config.toml:1: gateway.connect_to: is a flag and no setting\n"
            "  hint: remove the line; see `openclaude serve --help`",
            id="another place to dial",
        ),
    ],
)
def test_an_unknown_key_is_answered_with_what_was_meant(said: Said, text: str, answer: str) -> None:
    assert said(text) == answer


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("true", "a boolean"),
        ("'4000'", "a string"),
        ("4000.0", "a number"),
        ("[4000]", "an array"),
        ("{ x = 1 }", "a table"),
        ("07:32:00", "a date or time"),
    ],
)
def test_a_port_of_another_type_is_refused(said: Said, value: str, kind: str) -> None:
    assert said(f"[gateway]\nport = {value}") == (
        f"config.toml:2: gateway.port: must be an integer, but is {kind}\n  hint: for example: port = 4000"
    )


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        pytest.param(
            "gateway = 4000",
            "config.toml:1: gateway: must be a table, but is an integer\n"
            "  hint: write its keys below a line that says [gateway]",
            id="a value",
        ),
        pytest.param(
            "[[slots]]\nhaiku = 'x'",
            "config.toml:1: slots: must be a table, but is an array\n"
            "  hint: write its keys below a line that says [slots]",
            id="an array of tables",
        ),
        pytest.param(
            "routes = [1]",
            "config.toml:1: routes[0]: must be a table, but is an integer\n"
            "  hint: write its keys below a line that says [[routes]]",
            id="an entry that is a value",
        ),
    ],
)
def test_what_is_no_table_is_refused_where_a_table_belongs(said: Said, text: str, answer: str) -> None:
    assert said(text) == answer


def test_model_names_are_normalised_and_the_change_is_noted() -> None:
    config = parse('[slots]\nhaiku = " qwen-3-coder[1M] "\nopus = "claude-opus-5-5"', "config.toml")
    assert config.slots == {"haiku": "qwen-3-coder", "opus": "claude-opus-5-5"}
    assert config.normalised == ((" qwen-3-coder[1M] ", "qwen-3-coder"),)
