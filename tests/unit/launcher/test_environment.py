import secrets
from pathlib import Path
from typing import Any

import pytest

from openclaude.launcher.environment import ChildEnvironment, child_environment
from openclaude.launcher.settings import derive_overlay
from openclaude.launcher.variables import PIN_OF, Pin

BASE = "http://127.0.0.1:4000/path"


def child(environ: dict[str, str], config_dir: Path | None = None, **changed: Any) -> ChildEnvironment:
    given: dict[str, Any] = {
        "way": {"ANTHROPIC_BASE_URL": BASE},
        "slots": {"haiku": "qwen-3-coder"},
        "window": 262144,
        "routable": lambda model: model.startswith("claude-"),
    }
    overlay = derive_overlay(environ=environ, **(given | changed))
    return child_environment(environ, overlay, config_dir=config_dir)


def test_the_client_finds_the_gateway_its_slots_and_the_window() -> None:
    assert child({"PATH": "/bin"}) == ChildEnvironment(
        {
            "PATH": "/bin",
            "ANTHROPIC_BASE_URL": BASE,
            "ANTHROPIC_DEFAULT_HAIKU_MODEL": "qwen-3-coder",
            "ANTHROPIC_SMALL_FAST_MODEL": "qwen-3-coder",
            "CLAUDE_CODE_MAX_CONTEXT_TOKENS": "262144",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        },
        (),
    )


@pytest.mark.parametrize("name", [name for name, pin in PIN_OF.items() if pin is Pin.NOTHING])
def test_competing_variables_are_removed_and_named_without_their_value(name: str) -> None:
    canary = secrets.token_hex(8)

    result = child({name: canary})

    assert name not in result.variables
    assert canary not in result.variables.values()
    assert result.neutralised == (name,)


def test_an_empty_competing_variable_is_removed_without_a_word() -> None:
    result = child({"ANTHROPIC_API_KEY": ""})

    assert "ANTHROPIC_API_KEY" not in result.variables
    assert result.neutralised == ()


def test_the_users_environment_itself_is_not_changed() -> None:
    environ = {"ANTHROPIC_API_KEY": "k", "NO_PROXY": "corp.example"}

    child(environ)

    assert environ == {"ANTHROPIC_API_KEY": "k", "NO_PROXY": "corp.example"}


def test_what_is_the_users_own_stays() -> None:
    own = {
        "AWS_PROFILE": "work",
        "AWS_ACCESS_KEY_ID": secrets.token_hex(8),
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(8),
        "CLAUDE_CODE_OAUTH_TOKEN": secrets.token_hex(8),
        "CLAUDE_CONFIG_DIR": "/elsewhere",
        "HTTPS_PROXY": "http://proxy.example",
        "NODE_EXTRA_CA_CERTS": "/corp.pem",
    }

    result = child(own)

    assert own.items() <= result.variables.items()
    assert result.neutralised == ()


def test_a_proxy_list_is_extended_and_not_reported() -> None:
    result = child({"no_proxy": "corp.example"})

    assert result.variables["NO_PROXY"] == "corp.example,127.0.0.1,localhost"
    assert result.variables["no_proxy"] == "corp.example,127.0.0.1,localhost"
    assert result.neutralised == ()


def test_a_replaced_value_is_reported_and_an_equal_one_is_not() -> None:
    replaced = child({"ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "ANTHROPIC_MODEL": "us.anthropic.x"})
    equal = child({"ANTHROPIC_BASE_URL": BASE, "ANTHROPIC_MODEL": "claude-opus-4-8"})

    assert replaced.neutralised == ("ANTHROPIC_BASE_URL", "ANTHROPIC_MODEL")
    assert replaced.variables["ANTHROPIC_BASE_URL"] == BASE
    assert equal.neutralised == ()
    assert equal.variables["ANTHROPIC_MODEL"] == "claude-opus-4-8"


def test_the_users_own_window_stays_when_openclaude_knows_none() -> None:
    result = child({"CLAUDE_CODE_MAX_CONTEXT_TOKENS": "100000"}, window=None)

    assert result.variables["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "100000"


def test_an_empty_configuration_folder_is_unset_because_the_client_would_use_the_current_one() -> None:
    assert "CLAUDE_CONFIG_DIR" not in child({"CLAUDE_CONFIG_DIR": ""}).variables


@pytest.mark.parametrize(
    ("environ", "login_of"),
    [
        pytest.param({}, "", id="the default place, on Linux and in the keychain"),
        pytest.param({"CLAUDE_CONFIG_DIR": "/own"}, "/own", id="the user's own folder"),
        pytest.param(
            {"CLAUDE_CONFIG_DIR": "/own", "CLAUDE_SECURESTORAGE_CONFIG_DIR": "/login"},
            "/login",
            id="the user's own choice",
        ),
    ],
)
def test_an_isolated_client_has_its_own_folder_and_the_users_login(
    environ: dict[str, str], login_of: str
) -> None:
    variables = child(environ, config_dir=Path("/state/claude")).variables

    assert variables["CLAUDE_CONFIG_DIR"] == "/state/claude"
    assert variables["CLAUDE_SECURESTORAGE_CONFIG_DIR"] == login_of


def test_an_overlay_without_variables_removes_nothing() -> None:
    result = child_environment({"ANTHROPIC_API_KEY": "k"}, {})

    assert result.variables["ANTHROPIC_API_KEY"] == "k"
    assert result.neutralised == ()
