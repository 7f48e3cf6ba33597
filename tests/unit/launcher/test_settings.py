import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from openclaude.launcher.settings import (
    NO_LOGIN,
    SettingsError,
    derive_overlay,
    harmless_headers,
    load_overlay,
    load_settings,
    merge_no_proxy,
    set_aside,
    with_status_line,
    without_login,
    without_provider_keys,
)
from openclaude.launcher.variables import GROUPS, HELPER_KEYS, PIN_OF, Pin

BASE = "http://127.0.0.1:4000/path"


def routable(model: str) -> bool:
    return model.startswith("claude-") or model == "qwen-3-coder"


def overlay(**changed: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "way": {"ANTHROPIC_BASE_URL": BASE},
        "slots": {},
        "window": None,
        "environ": {},
        "routable": routable,
    }
    return derive_overlay(**(given | changed))


def env_of(**changed: Any) -> dict[str, str]:
    env = overlay(**changed)["env"]
    assert all(isinstance(value, str) for value in env.values())
    return dict(env)


def test_the_client_is_sent_to_the_gateway_whatever_the_user_or_shell_says() -> None:
    elsewhere = {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}

    env = env_of(environ=elsewhere, user_settings={"env": elsewhere}, user_overlay={"env": elsewhere})

    assert env["ANTHROPIC_BASE_URL"] == BASE


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.names[0])
def test_every_listed_variable_is_given_so_that_no_repository_can_set_it(group: Any) -> None:
    env = env_of()

    assert {name: env.get(name) for name in group.names} == dict.fromkeys(group.names, "")


@pytest.mark.parametrize("name", [name for name, pin in PIN_OF.items() if pin is Pin.NOTHING])
def test_competing_credentials_and_providers_are_emptied_even_when_the_user_set_them(name: str) -> None:
    canary = secrets.token_hex(8)

    derived = overlay(
        environ={name: canary}, user_settings={"env": {name: canary}}, user_overlay={"env": {name: canary}}
    )

    assert derived["env"][name] == ""
    assert canary not in json.dumps(derived)


@pytest.mark.parametrize("name", [name for name, pin in PIN_OF.items() if pin is Pin.OWN])
def test_transport_variables_keep_the_users_own_value(name: str) -> None:
    assert env_of(environ={name: "shell"})[name] == "shell"
    assert env_of(environ={name: "shell"}, user_settings={"env": {name: "file"}})[name] == "file"
    assert (
        env_of(user_settings={"env": {name: "file"}}, user_overlay={"env": {name: "given"}})[name] == "given"
    )


@pytest.mark.parametrize("name", [name for name, pin in PIN_OF.items() if pin is Pin.LOGIN])
def test_a_login_in_the_environment_is_neither_emptied_nor_written_to_the_settings(name: str) -> None:
    canary = secrets.token_hex(8)

    derived = overlay(environ={name: canary})

    assert name not in derived["env"]
    assert canary not in json.dumps(derived)


def test_a_model_no_route_takes_is_emptied_and_one_with_a_route_is_kept() -> None:
    env = env_of(
        environ={
            "ANTHROPIC_MODEL": "us.anthropic.claude-opus-4-6-v1",
            "ANTHROPIC_DEFAULT_SONNET_MODEL": "claude-sonnet-4-5",
            "CLAUDE_CODE_SUBAGENT_MODEL": "inherit",
        }
    )

    assert env["ANTHROPIC_MODEL"] == ""
    assert env["ANTHROPIC_DEFAULT_SONNET_MODEL"] == "claude-sonnet-4-5"
    assert env["CLAUDE_CODE_SUBAGENT_MODEL"] == "inherit"


def test_the_haiku_slot_also_names_the_model_of_background_calls() -> None:
    env = env_of(slots={"haiku": "qwen-3-coder"}, environ={"ANTHROPIC_SMALL_FAST_MODEL": "claude-haiku-4-5"})

    assert env["ANTHROPIC_DEFAULT_HAIKU_MODEL"] == "qwen-3-coder"
    assert env["ANTHROPIC_SMALL_FAST_MODEL"] == "qwen-3-coder"
    assert env["ANTHROPIC_DEFAULT_OPUS_MODEL"] == ""


def test_every_slot_has_its_variable() -> None:
    slots = {"opus": "claude-a", "sonnet": "claude-b", "haiku": "claude-c", "fable": "claude-d"}

    env = env_of(slots=slots)

    assert {slot: env[f"ANTHROPIC_DEFAULT_{slot.upper()}_MODEL"] for slot in slots} == slots


def test_the_window_is_told_only_when_it_is_known() -> None:
    assert env_of(window=262144)["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "262144"
    assert "CLAUDE_CODE_MAX_CONTEXT_TOKENS" not in env_of(window=None)


@pytest.mark.parametrize(
    ("existing", "merged"),
    [
        pytest.param("", "127.0.0.1,localhost", id="none"),
        pytest.param("corp.example", "corp.example,127.0.0.1,localhost", id="a host"),
        pytest.param(" a , ,b,localhost", "a,b,localhost,127.0.0.1", id="blanks and half of ours"),
        pytest.param("127.0.0.1,localhost", "127.0.0.1,localhost", id="both already"),
        pytest.param("*", "*", id="everything"),
    ],
)
def test_loopback_bypasses_the_proxy_and_the_users_list_stays(existing: str, merged: str) -> None:
    assert merge_no_proxy(existing) == merged
    assert env_of(environ={"NO_PROXY": existing})["NO_PROXY"] == merged
    assert env_of(environ={"NO_PROXY": existing})["no_proxy"] == merged


def test_each_spelling_of_no_proxy_keeps_its_own_list() -> None:
    env = env_of(environ={"NO_PROXY": "upper", "no_proxy": "lower"})

    assert env["NO_PROXY"] == "upper,127.0.0.1,localhost"
    assert env["no_proxy"] == "lower,127.0.0.1,localhost"


def test_a_proxy_of_the_user_keeps_its_meaning_for_everything_but_loopback() -> None:
    env = env_of(environ={"HTTPS_PROXY": "http://proxy.example:3128"})

    assert env["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert env["HTTP_PROXY"] == ""
    assert env["NO_PROXY"] == "127.0.0.1,localhost"


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: Bearer x",
        "authorization : Bearer x",
        "X-Api-Key: x",
        "Cookie: x",
        "Proxy-Authorization: x",
        "cf-aig-authorization: x",
        "X-Secret: x",
        "X-Gateway-Token: x",
        "Host: evil.example",
        "Content-Length: 0",
        "Transfer-Encoding: chunked",
        ": no name",
        "",
    ],
)
def test_custom_headers_that_carry_a_credential_or_framing_are_dropped(line: str) -> None:
    assert harmless_headers(f"X-Team: blue\n{line}\nX-Ticket: 7") == "X-Team: blue\nX-Ticket: 7"
    assert env_of(environ={"ANTHROPIC_CUSTOM_HEADERS": line})["ANTHROPIC_CUSTOM_HEADERS"] == ""


def test_the_users_own_settings_argument_stays_below_ours() -> None:
    mine = {
        "permissions": {"allow": ["Bash(ls)"]},
        "model": "opus[1m]",
        "apiKeyHelper": "echo key",
        "env": {"MY_TOOL": "x", "COUNT": 3, "FLAG": True, "BAD": ["list"], "ANTHROPIC_API_KEY": "k"},
    }

    derived = overlay(user_overlay=mine)

    assert derived["permissions"] == {"allow": ["Bash(ls)"]}
    assert derived["model"] == "opus[1m]"
    assert derived["apiKeyHelper"] == ""
    kept = {
        name: derived["env"].get(name) for name in ("MY_TOOL", "COUNT", "FLAG", "BAD", "ANTHROPIC_API_KEY")
    }
    assert kept == {"MY_TOOL": "x", "COUNT": "3", "FLAG": "true", "BAD": None, "ANTHROPIC_API_KEY": ""}


def test_the_arguments_of_the_derivation_are_not_changed() -> None:
    mine: dict[str, Any] = {"env": {"MY_TOOL": "x"}}
    shell = {"ANTHROPIC_API_KEY": "k"}

    overlay(user_overlay=mine, environ=shell)

    assert mine == {"env": {"MY_TOOL": "x"}}
    assert shell == {"ANTHROPIC_API_KEY": "k"}


@pytest.mark.parametrize("key", HELPER_KEYS)
def test_commands_that_fetch_a_credential_are_emptied(key: str) -> None:
    assert overlay(user_settings={key: "echo x"}, user_overlay={key: "echo y"})[key] == ""


def test_helpers_of_the_users_proxy_and_telemetry_stay_the_users() -> None:
    derived = overlay(
        user_settings={"proxyAuthHelper": "mine", "otelHeadersHelper": "old"},
        user_overlay={"otelHeadersHelper": "new"},
    )

    assert derived["proxyAuthHelper"] == "mine"
    assert derived["otelHeadersHelper"] == "new"
    assert overlay()["proxyAuthHelper"] == ""


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        pytest.param(
            "us.anthropic.claude-opus-4-6-v1", "", id="another provider's name: the client's default"
        ),
        pytest.param("sonnet", None, id="alias: left to the settings file"),
        pytest.param("Opus[1m]", None, id="alias with suffix"),
        pytest.param("claude-opus-4-8", None, id="a routed name"),
    ],
)
def test_a_model_in_the_users_settings_is_overridden_only_when_no_route_takes_it(
    model: str, expected: str | None
) -> None:
    assert overlay(user_settings={"model": model}).get("model") == expected


def test_what_is_set_aside_is_named_without_its_value() -> None:
    canary = secrets.token_hex(8)
    settings = {
        "apiKeyHelper": f"echo {canary}",
        "awsAuthRefresh": "",
        "env": {"ANTHROPIC_API_KEY": canary, "ANTHROPIC_BASE_URL": canary, "EDITOR": "vi"},
    }

    named = set_aside(settings, {"env": {"CLAUDE_CODE_USE_BEDROCK": "1"}}, {"env": "no object"})

    assert named == (
        "apiKeyHelper",
        "env.ANTHROPIC_API_KEY",
        "env.ANTHROPIC_BASE_URL",
        "env.CLAUDE_CODE_USE_BEDROCK",
    )


def test_the_settings_argument_is_json_or_a_file_beside_the_user(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text('\ufeff{"model": "opus"}', "utf-8")

    assert load_overlay(' {"model": "haiku"}', tmp_path) == {"model": "haiku"}
    assert load_overlay("mine.json", tmp_path) == {"model": "opus"}
    assert load_overlay(str(tmp_path / "mine.json"), Path("/")) == {"model": "opus"}


def test_a_missing_settings_file_is_named_with_what_the_flag_takes(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_overlay("missing.json", tmp_path)

    assert str(caught.value) == f"{tmp_path}/missing.json: cannot be read: No such file or directory"
    assert caught.value.hint == "--settings takes the path of a JSON file, or JSON"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        pytest.param(b"{", "is not JSON: ", id="cut off"),
        pytest.param(b"[1]", "is not a JSON object", id="a list"),
        pytest.param(b"\xff\xfe\xfa", "cannot be read: not text in UTF-8", id="bytes"),
    ],
)
def test_a_broken_settings_file_is_an_error_that_says_how(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "mine.json").write_bytes(content)

    with pytest.raises(SettingsError) as caught:
        load_overlay("mine.json", tmp_path)

    assert str(caught.value).startswith(f"{tmp_path}/mine.json: {what}")
    assert caught.value.hint


def test_broken_json_in_the_argument_is_blamed_on_the_flag(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--settings: is not JSON"):
        load_overlay("{oops", tmp_path)


@pytest.mark.parametrize(
    "content", [None, b"{", b"[]", b"\xff"], ids=["missing", "cut off", "a list", "bytes"]
)
def test_a_settings_file_of_the_user_that_cannot_be_read_counts_as_empty(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "settings.json").write_bytes(content)

    assert load_settings(tmp_path / "settings.json") == {}


def test_a_copy_without_provider_keys_keeps_everything_else() -> None:
    settings = {
        "permissions": {"allow": ["Bash(ls)"]},
        "hooks": {"Stop": []},
        "model": "us.anthropic.x",
        "apiKeyHelper": "echo x",
        "awsCredentialExport": "x",
        "forceLoginMethod": "console",
        "env": {
            "EDITOR": "vi",
            "HTTPS_PROXY": "http://proxy.example",
            "ANTHROPIC_BASE_URL": "http://x",
            "ANTHROPIC_CUSTOM_HEADERS": "Authorization: x",
            "ANTHROPIC_SMALL_FAST_MODEL": "claude-haiku-4-5",
            "ANTHROPIC_DEFAULT_OPUS_MODEL": "us.anthropic.y",
            "ANTHROPIC_DEFAULT_SONNET_MODEL": "claude-sonnet-4-5",
            "CLAUDE_CODE_USE_BEDROCK": 1,
        },
    }

    assert without_provider_keys(settings, routable) == {
        "permissions": {"allow": ["Bash(ls)"]},
        "hooks": {"Stop": []},
        "env": {
            "EDITOR": "vi",
            "HTTPS_PROXY": "http://proxy.example",
            "ANTHROPIC_DEFAULT_SONNET_MODEL": "claude-sonnet-4-5",
        },
    }
    assert without_provider_keys({"model": "opus", "env": {}}, routable) == {"model": "opus"}


def test_a_session_in_which_nothing_goes_to_anthropic_needs_no_login() -> None:
    before = overlay()
    told = without_login(before)
    assert told == {**before, "env": {**before["env"], "ANTHROPIC_AUTH_TOKEN": NO_LOGIN}}
    assert before["env"]["ANTHROPIC_AUTH_TOKEN"] == ""


def test_a_status_line_is_given_where_nobody_has_one(tmp_path: Path) -> None:
    given = with_status_line({"env": {}}, "say-it", tmp_path)

    assert given == {
        "env": {},
        "statusLine": {"type": "command", "command": "say-it", "refreshInterval": 30},
    }


def test_a_status_line_of_the_users_own_overlay_stays(tmp_path: Path) -> None:
    own = {"statusLine": {"type": "command", "command": "mine"}}

    assert with_status_line(own, "say-it", tmp_path) == own


@pytest.mark.parametrize("name", ["settings.json", "settings.local.json"])
def test_a_status_line_of_the_project_is_not_displaced(tmp_path: Path, name: str) -> None:
    (tmp_path / ".claude").mkdir()
    own = {"statusLine": {"type": "command", "command": "theirs"}}
    (tmp_path / ".claude" / name).write_text(json.dumps(own))

    assert with_status_line({}, "say-it", tmp_path) == {}
