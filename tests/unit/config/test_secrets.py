import random
import string
from collections.abc import Callable

import pytest

from openclaude.config.lines import KeyPath
from openclaude.config.secrets import secret_paths

Said = Callable[[str], str]

RANDOM = random.SystemRandom()


def canary(prefix: str, length: int) -> str:
    return prefix + "".join(RANDOM.choices(string.ascii_uppercase + string.digits, k=length))


@pytest.mark.parametrize(
    "key",
    [
        "aws_secret_access_key",
        "aws_access_key_id",
        "aws-session-token",
        "AWS_SECRET_ACCESS_KEY",
        "api_key",
        "apiKey",
        "authToken",
        "token",
        "password",
        "credentials",
        "Authorization",
        "bearer",
        "secret access key",
    ],
)
def test_a_key_that_is_named_like_a_credential_is_found(key: str) -> None:
    assert list(secret_paths({"a": [{"x": 1}, {key: "x", "y": 2}]})) == [("a", 1, key)]


@pytest.mark.parametrize("key", ["match", "profile", "max_tokens", "port", "tokenizer"])
def test_a_key_that_is_named_otherwise_is_no_suspect(key: str) -> None:
    assert list(secret_paths({key: "x"})) == []


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(canary("AKIA", 16), id="an access key id"),
        pytest.param(f"id {canary('ASIA', 16)} of a session", id="a temporary one inside a text"),
        pytest.param(canary("sk-ant-" + "oat01-", 32), id="a login"),
        pytest.param(canary("sk-ant-" + "api03-", 32), id="an API key"),
    ],
)
def test_a_text_that_looks_like_a_credential_is_found_anywhere(value: str) -> None:
    found: set[KeyPath] = set(secret_paths({"profile": value, "list": ["x", [value]]}))
    assert found == {("profile",), ("list", 1, 0)}


def test_paths_of_any_depth_are_searched() -> None:
    data: dict[str, object] = {"token": "x"}
    for _ in range(5000):
        data = {"a": data}
    assert [len(path) for path in secret_paths(data)] == [5001]


def test_a_credential_is_refused_once_and_never_repeated(said: Said) -> None:
    secret = canary("sk-ant-" + "oat01-", 32)
    access_key = canary("AKIA", 16)
    text = f"""\
api_key = "{secret}"
[aws]
aws_secret_access_key = "{secret}"
[slots]
haiku = "{secret}"
[[routes]]
match = "claude-*"
to = "anthropic"
authorization = "{secret}"
[[routes]]
match = "qwen-3-coder"
to = "bedrock"
model = "qwen.qwen3-coder-next"
region = "us-west-2"
profile = "{access_key}"
"""
    credential = (
        "credentials may not be in this file\n"
        '  hint: keep them in an AWS profile (`aws configure --profile NAME`) and write profile = "NAME"\n'
    )
    assert said(text) + "\n" == (
        f"config.toml:1: api_key: {credential}"
        "config.toml:2: aws: unknown table\n"
        "  hint: known here: gateway, slots, client, routes\n"
        f"config.toml:3: aws.aws_secret_access_key: {credential}"
        f"config.toml:5: slots.haiku: {credential}"
        "config.toml:9: routes[0].authorization: "
        "the login goes to https://api.anthropic.com only and no setting can change that\n"
        "  hint: remove the line: Claude Code sends its own login and the gateway passes it on\n"
        f"config.toml:15: routes[1].profile: {credential}"
    )
