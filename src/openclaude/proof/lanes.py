"""Every way a request can take through the gateway, set up with a credential of each kind."""

import json
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from openclaude.demo.scene import weather
from openclaude.proof.canaries import ANTHROPIC, BEDROCK, PLATFORM, Canary, key_id, token
from openclaude.simulator.replies import Reply, redirect
from openclaude.simulator.script import Answer, Ask, Fail, StreamError
from openclaude.simulator.world import World

CONFIG: Final = """\
[[routes]]
match = "claude-*"
to = "anthropic"

[[routes]]
match = "qwen-session"
to = "bedrock"
model = "qwen.qwen3-coder-next"
region = "us-west-2"

[[routes]]
match = "qwen-profile"
to = "bedrock"
model = "qwen.qwen3-coder-next"
region = "us-west-2"
profile = "static"

[[routes]]
match = "qwen-program"
to = "bedrock"
model = "qwen.qwen3-coder-next"
region = "us-west-2"
profile = "program"

[[routes]]
match = "invoke-claude"
to = "bedrock"
model = "us.anthropic.claude-sonnet-5-5"
region = "us-west-2"

[[routes]]
match = "messages-claude"
to = "bedrock"
via = "messages"
model = "anthropic.claude-sonnet-5-5"
region = "us-west-2"

[[routes]]
match = "platform-claude"
to = "bedrock"
via = "messages"
endpoint = "platform"
workspace = "wrkspc_simulated"
model = "claude-sonnet-5-5"
region = "us-west-2"
"""
_FAULT: Final = re.compile(r"\[fault ([\w ]+)\]")
FAULTS: Final = {
    ANTHROPIC: ("authentication", "rate limit", "server error", "redirect", "broken stream"),
    BEDROCK: ("access denied", "expired token", "throttling", "validation", "server error", "broken stream"),
}
"""What goes wrong at a provider, one after the other: leaks like to be in error messages and second attempts."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One way through the gateway.

    Attributes:
        title: what it is, for the report.
        model: the name asked for.
        provider: whose faults it meets: ANTHROPIC or BEDROCK.
        headers: the headers that carry the client's credentials.
        aws: the environment of the session that asks; empty for the gateway's own.
    """

    title: str
    model: str
    provider: str
    headers: Mapping[str, str] = field(repr=False)
    aws: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class Plan:
    """The lanes, the canaries that are planted for them, and the model behind all of them."""

    lanes: list[Lane]
    canaries: list[Canary]


def script(stranger: str) -> Callable[[Ask], Answer | Fail | Reply]:
    """A model that calls its tool and answers, unless the question names a fault.

    Args:
        stranger: a URL redirects lead to.
    """

    def answer(ask: Ask) -> Answer | Fail | Reply:
        found = _FAULT.search(json.dumps(ask.body))
        if found is None:
            return weather(ask)
        faults: dict[str, Answer | Fail | Reply] = {
            "authentication": Fail(401, "authentication_error", "invalid bearer token"),
            "rate limit": Fail(429, "rate_limit_error", "slow down", (("retry-after", "1"),)),
            "redirect": redirect(f"{stranger}/v1/messages"),
            "access denied": Fail(
                403, "AccessDeniedException", "not authorized to perform: bedrock:InvokeModel"
            ),
            "expired token": Fail(
                403, "ExpiredTokenException", "The security token included in the request is expired"
            ),
            "throttling": Fail(429, "ThrottlingException", "Too many requests"),
            "validation": Fail(400, "ValidationException", "The model returned an error"),
            "broken stream": _broken(ask),
        }
        is_claude_s = ask.provider == "anthropic"
        kind = "api_error" if is_claude_s else "InternalServerException"
        return faults.get(found[1], Fail(500, kind, "internal"))

    return answer


def _broken(ask: Ask) -> Answer:
    name = "overloaded_error" if ask.provider == "anthropic" else "modelStreamErrorException"
    return Answer(weather(ask).parts, error=StreamError(name, "it broke", 3))


def plan(world: World, home: Path, login: str) -> Plan:
    """Plant a credential of each kind and say what way each takes.

    Args:
        world: the simulated providers; they learn the keys that sign.
        home: the home folder of the invented user, where AWS's files are written.
        login: the plan login.
    """
    canaries: list[Canary] = []

    def plant(name: str, value: str, about: str, goes_to: str = "") -> str:
        canaries.append(Canary(name, about, goes_to, value))
        return value

    session = world.aws_env()
    plant("plan login", login, "sent by the client as Authorization", ANTHROPIC)
    api_key = plant(
        "Anthropic API key", token("sk-ant-" + "api03-"), "sent by the client as x-api-key", ANTHROPIC
    )
    noise = {
        "Cookie": "session=" + plant("cookie", token(), "sent by the client as Cookie"),
        "Proxy-Authorization": "Basic "
        + plant("proxy password", token(), "sent by the client as Proxy-Authorization"),
        "X-Company-Secret": plant("unknown header", token(), "sent by the client as X-Company-Secret"),
    }
    plant("AWS key id, shell", session["AWS_ACCESS_KEY_ID"], "the shell's environment", BEDROCK)
    plant("AWS secret, shell", session["AWS_SECRET_ACCESS_KEY"], "the shell's environment; it only signs")
    plant("AWS token, shell", session["AWS_SESSION_TOKEN"], "the shell's environment", BEDROCK)
    profile_id = plant("AWS key id, profile", key_id(), "a profile in ~/.aws/credentials", BEDROCK)
    profile_secret = plant("AWS secret, profile", token(), "a profile in ~/.aws/credentials; it only signs")
    program_id = plant("AWS key id, program", key_id(), "the output of a credential_process", BEDROCK)
    program_secret = plant(
        "AWS secret, program", token(), "the output of a credential_process; it only signs"
    )
    program_token = plant("AWS token, program", token(), "the output of a credential_process", BEDROCK)
    world.add_keys({profile_id: (profile_secret, None), program_id: (program_secret, program_token)})
    bedrock_key = plant(
        "Bedrock API key", token("bedrock-api-key-"), "AWS_BEARER_TOKEN_BEDROCK of another shell", BEDROCK
    )
    world.bedrock.api_keys = world.mantle.api_keys = frozenset({bedrock_key})
    platform_key = plant(
        "Claude Platform API key",
        token("sk-ant-" + "aws01-"),
        "ANTHROPIC_AWS_API_KEY of another shell",
        PLATFORM,
    )
    world.platform.api_keys = frozenset({platform_key})
    other = plant("AWS secret, unused", token(), "a profile in ~/.aws/credentials that no route names")
    sso = plant("SSO token", token(), "~/.aws/sso/cache, of a profile that no route names")
    identity = plant(
        "web identity token",
        token("eyJ"),
        "a token file that a profile names, of a profile that no route names",
    )
    _aws_files(
        home,
        f"[static]\naws_access_key_id = {profile_id}\naws_secret_access_key = {profile_secret}\n"
        f"[unused]\naws_access_key_id = {key_id()}\naws_secret_access_key = {other}\n",
        _program(home, program_id, program_secret, program_token),
        {"sso/cache/company.json": json.dumps({"accessToken": sso}), "web-identity": identity},
    )
    login_headers = {"authorization": f"Bearer {login}", **noise}
    lanes = [
        Lane("Claude by plan login", "claude-opus-5-5", ANTHROPIC, login_headers),
        Lane("Claude by API key", "claude-sonnet-5-5", ANTHROPIC, {"x-api-key": api_key, **noise}),
        Lane("Converse, keys of the shell", "qwen-session", BEDROCK, login_headers, session),
        Lane("Converse, keys of a profile", "qwen-profile", BEDROCK, login_headers),
        Lane("Converse, keys of a program", "qwen-program", BEDROCK, {"x-api-key": api_key, **noise}),
        Lane(
            "Converse, Bedrock API key",
            "qwen-session",
            BEDROCK,
            login_headers,
            {"AWS_BEARER_TOKEN_BEDROCK": bedrock_key},
        ),
        Lane("InvokeModel (Claude)", "invoke-claude", BEDROCK, login_headers, session),
        Lane("Messages on AWS (Claude)", "messages-claude", BEDROCK, login_headers, session),
        Lane(
            "Claude Platform on AWS, API key",
            "platform-claude",
            BEDROCK,
            login_headers,
            {"ANTHROPIC_AWS_API_KEY": platform_key},
        ),
    ]
    return Plan(lanes, canaries)


def _program(home: Path, identifier: str, secret: str, session_token: str) -> str:
    """AWS's configuration with a program that prints keys, and profiles that no route names."""
    document = {
        "Version": 1,
        "AccessKeyId": identifier,
        "SecretAccessKey": secret,
        "SessionToken": session_token,
        "Expiration": "2099-01-01T00:00:00Z",
    }
    file = home / ".aws" / "program.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document))
    command = shlex.join([sys.executable, "-I", "-S", "-c", f"print(open({str(file)!r}).read())"])
    return (
        f"[profile program]\ncredential_process = {command}\n"
        "[profile sso]\nsso_session = company\nsso_account_id = 111122223333\nsso_role_name = dev\n"
        "[sso-session company]\nsso_start_url = https://company.awsapps.com/start\nsso_region = us-west-2\n"
        f"[profile web]\nrole_arn = arn:aws:iam::111122223333:role/web\nweb_identity_token_file = {home}/.aws/web-identity\n"
    )


def _aws_files(home: Path, credentials: str, configuration: str, others: Mapping[str, str]) -> None:
    for name, text in {"credentials": credentials, "config": configuration, **others}.items():
        path = home / ".aws" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
