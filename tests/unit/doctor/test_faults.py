"""Each fault that can be planted is found, named with its remedy, and nothing else is said; without it, nothing is said."""

import fcntl
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from openclaude.demo.oracle import holds
from openclaude.launcher import certificates
from openclaude.launcher.state import open_state
from openclaude.preflight.steps import Step
from support.patients import CONFIG, NOW, User, left_socket

CLOSED = ExitStack()


@pytest.fixture
def user(tmp_path: Path, canary: Callable[[str], str]) -> Iterator[User]:
    """A user whose set-up is in order."""
    with CLOSED:
        yield User(tmp_path, canary("sk-ant-" + "oat01-"))


@dataclass(frozen=True)
class Fault:
    """What is planted, and what the examination has to say of it."""

    plant: Callable[[User], object]
    check: str
    verdict: str
    seen: str
    remedy: str
    fixable: bool = False


def no_client(user: User) -> None:
    (user.root / "bin" / "claude").unlink()


def own_client(user: User) -> None:
    (user.root / "bin" / "claude").chmod(0o644)


def take_port(user: User) -> None:
    listener = CLOSED.enter_context(socket.socket())
    listener.bind(("127.0.0.1", user.port))
    listener.listen()


def hold_lock(user: User) -> None:
    handle = os.open(user.folder / "run" / "gateway.lock", os.O_RDWR | os.O_CREAT, 0o600)
    CLOSED.callback(os.close, handle)
    fcntl.flock(handle, fcntl.LOCK_EX)


def dead_link(user: User) -> None:
    (user.folder / "claude").mkdir(mode=0o700)
    (user.folder / "claude" / "agents").symlink_to(user.home / "gone")


def planted_link(user: User) -> None:
    (user.folder / "logs" / "gateway.log").symlink_to(user.write(user.home / "precious", "x"))


def whole_folder_is_a_link(user: User) -> None:
    user.folder.rename(user.home / "elsewhere")
    user.folder.symlink_to(user.home / "elsewhere")


def without(text: str) -> Callable[[User], None]:
    def plant(user: User) -> None:
        user.configure(CONFIG.format(port=user.port).replace(text, ""))

    return plant


def certificates_that_ended(user: User) -> None:
    shutil.rmtree(user.pair)
    certificates.ensure(open_state(user.folder), lambda: NOW - 100 * 86400)


def keys_mixed_up(user: User) -> None:
    pair = user.pair
    (pair / "client.key").write_bytes((pair / "server.pem").read_bytes())


def renamed_pair(user: User) -> None:
    user.pair.rename(user.pair.with_name(str(int(NOW) + 1000 * 86400)))


SAID = "{user.home}/.claude/settings.json"
ADMINISTRATOR = "ask those who administer this machine"
FAULTS: dict[str, Fault] = {
    "no client": Fault(no_client, "client", "problem", "no `claude` on the PATH", "npm install -g"),
    "a client that cannot be run": Fault(
        own_client, "client", "problem", "no `claude` on the PATH", "npm install -g"
    ),
    "an old client": Fault(
        lambda u: setattr(u, "version", "1.0.44"),
        "client",
        "warning",
        "is version 1.0.44, older than",
        "claude update",
    ),
    "a new client": Fault(
        lambda u: setattr(u, "version", "3.0.0"),
        "client",
        "warning",
        "is version 3.0.0, newer than",
        "@2.1.332",
    ),
    "a client without a version": Fault(
        lambda u: setattr(u, "version", "hello"), "client", "problem", "does not say its version", "--version"
    ),
    "no login": Fault(
        lambda u: (u.home / ".claude" / ".credentials.json").unlink(),
        "login",
        "problem",
        "nobody is logged in",
        "type /login",
    ),
    "an empty login": Fault(
        lambda u: u.write(u.home / ".claude" / ".credentials.json", "{}"),
        "login",
        "problem",
        "holds no login",
        "type /login",
    ),
    "a login others can read": Fault(
        lambda u: (u.home / ".claude" / ".credentials.json").chmod(0o644),
        "login",
        "warning",
        "can be read by other users",
        "chmod 600 {user.home}/.claude/.credentials.json",
    ),
    "an API key in the shell": Fault(
        lambda u: u.env.update(ANTHROPIC_API_KEY="x"),
        "settings",
        "warning",
        "ANTHROPIC_API_KEY is set in the environment",
        "unset ANTHROPIC_API_KEY",
    ),
    "another base URL in the shell": Fault(
        lambda u: u.env.update(ANTHROPIC_BASE_URL="x"),
        "settings",
        "warning",
        "ANTHROPIC_BASE_URL is set in the environment",
        "unset ANTHROPIC_BASE_URL",
    ),
    "a token in the user's settings": Fault(
        lambda u: u.settings(env={"ANTHROPIC_AUTH_TOKEN": "x"}),
        "settings",
        "warning",
        f"env.ANTHROPIC_AUTH_TOKEN is set in {SAID}",
        f"remove env.ANTHROPIC_AUTH_TOKEN from {SAID}",
    ),
    "a helper in the user's settings": Fault(
        lambda u: u.settings(apiKeyHelper="x"),
        "settings",
        "warning",
        f"apiKeyHelper is set in {SAID}",
        f"remove apiKeyHelper from {SAID}",
    ),
    "another base URL in the project": Fault(
        lambda u: u.settings("project", env={"ANTHROPIC_BASE_URL": "x"}),
        "settings",
        "warning",
        "env.ANTHROPIC_BASE_URL is set in {user.project}/.claude/settings.json",
        "remove env.ANTHROPIC_BASE_URL from {user.project}/.claude/settings.json",
    ),
    "another provider in the local settings": Fault(
        lambda u: u.settings("local", env={"CLAUDE_CODE_USE_BEDROCK": 1}),
        "settings",
        "warning",
        "env.CLAUDE_CODE_USE_BEDROCK is set in {user.project}/.claude/settings.local.json",
        "remove env.CLAUDE_CODE_USE_BEDROCK",
    ),
    "a header that is a credential": Fault(
        lambda u: u.env.update(ANTHROPIC_CUSTOM_HEADERS="X-Team: a\nAuthorization: b"),
        "settings",
        "warning",
        "a header that is named like a credential",
        "take it out of ANTHROPIC_CUSTOM_HEADERS",
    ),
    "another base URL in the managed settings": Fault(
        lambda u: u.settings("managed", env={"ANTHROPIC_BASE_URL": "x"}),
        "settings",
        "problem",
        "env.ANTHROPIC_BASE_URL is set in {user.managed}/managed-settings.json",
        ADMINISTRATOR,
    ),
    "another client certificate in the managed settings": Fault(
        lambda u: u.settings("managed", env={"CLAUDE_CODE_CLIENT_CERT": "/x"}),
        "settings",
        "problem",
        "env.CLAUDE_CODE_CLIENT_CERT is set in {user.managed}/managed-settings.json",
        ADMINISTRATOR,
    ),
    "a proxy for everything in the managed settings": Fault(
        lambda u: u.settings("managed", env={"HTTPS_PROXY": "http://x", "NO_PROXY": ""}),
        "settings",
        "problem",
        "env.NO_PROXY is set in {user.managed}/managed-settings.json",
        ADMINISTRATOR,
    ),
    "a forced login in the managed settings": Fault(
        lambda u: u.write(u.managed / "managed-settings.d" / "10.json", '{"forceLoginMethod": "console"}'),
        "settings",
        "problem",
        "forceLoginMethod is set in {user.managed}/managed-settings.d/10.json",
        ADMINISTRATOR,
    ),
    "settings that are no JSON": Fault(
        lambda u: u.write(u.home / ".claude" / "settings.json", "{\n  'a': 1}"),
        "settings",
        "problem",
        f"{SAID} is not JSON (line 2, column 3)",
        "mend the file",
    ),
    "a proxy": Fault(
        lambda u: u.env.update(HTTPS_PROXY="http://p:1", NO_PROXY="127.0.0.1"),
        "proxy",
        "warning",
        "HTTPS_PROXY set: Claude Code's own calls use it",
        "without the proxy",
    ),
    "verification turned off": Fault(
        lambda u: u.env.update(NODE_TLS_REJECT_UNAUTHORIZED="0"),
        "trust",
        "problem",
        "NODE_TLS_REJECT_UNAUTHORIZED is 0",
        "unset NODE_TLS_REJECT_UNAUTHORIZED",
    ),
    "an authority that is not there": Fault(
        lambda u: u.env.update(NODE_EXTRA_CA_CERTS="/no/such.pem"),
        "trust",
        "problem",
        "NODE_EXTRA_CA_CERTS names /no/such.pem, which cannot be read",
        "mend the path",
    ),
    "a client certificate of the user's own": Fault(
        lambda u: u.env.update(CLAUDE_CODE_CLIENT_CERT="/mine.pem"),
        "certificate",
        "warning",
        "CLAUDE_CODE_CLIENT_CERT is yours and stays",
        "unset CLAUDE_CODE_CLIENT_CERT",
    ),
    "half a pair of certificates": Fault(
        lambda u: (u.pair / "client.key").unlink(),
        "certificate",
        "problem",
        "{user.folder}/tls/1807689600 lacks client.key: sessions cannot use it",
        "openclaude doctor --fix",
        fixable=True,
    ),
    "a certificate with somebody else's key": Fault(
        keys_mixed_up,
        "certificate",
        "problem",
        "holds a key and a certificate that do not go together",
        "openclaude doctor --fix",
        fixable=True,
    ),
    "a certificate that does not end when it says": Fault(
        renamed_pair,
        "certificate",
        "problem",
        "does not end when its name says",
        "openclaude doctor --fix",
        fixable=True,
    ),
    "certificates that ended": Fault(
        certificates_that_ended, "certificate", "warning", "the newest pair ended on", "openclaude restart"
    ),
    "a folder others can open": Fault(
        lambda u: (u.folder / "run").chmod(0o755),
        "files",
        "problem",
        "{user.folder}/run can be opened by other users",
        "openclaude doctor --fix",
        fixable=True,
    ),
    "a secret others can read": Fault(
        lambda u: (u.folder / "secret").chmod(0o640),
        "files",
        "problem",
        "{user.folder}/secret can be read or changed by other users",
        "openclaude doctor --fix",
        fixable=True,
    ),
    "a link where the log should be": Fault(
        planted_link,
        "files",
        "problem",
        "{user.folder}/logs/gateway.log is a link: it is not used",
        "remove {user.folder}/logs/gateway.log",
    ),
    "a link that leads to nothing": Fault(
        dead_link,
        "files",
        "warning",
        "{user.folder}/claude/agents leads to nothing",
        "openclaude doctor --fix",
        fixable=True,
    ),
    "a folder that is a link": Fault(
        whole_folder_is_a_link, "files", "problem", "{user.folder} is a link", "OPENCLAUDE_HOME"
    ),
    "a socket left behind": Fault(
        lambda u: left_socket(u.folder / "run"),
        "gateway",
        "warning",
        "control.sock was left behind by a gateway that did not end in good order",
        "openclaude doctor --fix",
        fixable=True,
    ),
    "a gateway that does not answer": Fault(
        hold_lock,
        "gateway",
        "problem",
        "a gateway holds the lock and does not answer",
        "look for `openclaude serve`",
    ),
    "a taken port": Fault(
        take_port, "port", "warning", "{user.port} is taken by ", "set another `port` under [gateway]"
    ),
    "a disk that is nearly full": Fault(
        lambda u: setattr(u, "free", 10**8), "disk", "warning", "95 MB are free", "make room on the disk"
    ),
    "a full disk": Fault(
        lambda u: setattr(u, "free", 10**6),
        "disk",
        "problem",
        "0 MB are free: files cannot be written",
        "make room on the disk",
    ),
    "no configuration": Fault(
        lambda u: (u.folder / "config.toml").unlink(),
        "configuration",
        "warning",
        "there is no {user.folder}/config.toml",
        "openclaude doctor --fix",
        fixable=True,
    ),
    "a configuration with a problem": Fault(
        lambda u: u.configure("[gateway]\nport = 0\n"),
        "configuration",
        "problem",
        "config.toml:2: gateway.port must be between 1 and 65535",
        "leave the line out",
    ),
    "a tier without a route": Fault(
        without('haiku = "qwen-3-coder"\n\n[[routes]]\nmatch = "claude-*"\nto = "anthropic"\n'),
        "models",
        "problem",
        "no route takes `claude-opus-5-5`, which Claude Code asks for in the opus tier",
        "set opus under [slots]",
    ),
    "a model in the shell without a route": Fault(
        lambda u: u.env.update(ANTHROPIC_MODEL="gpt-5[1m]"),
        "models",
        "warning",
        "no route takes `gpt-5`, which ANTHROPIC_MODEL asks for",
        "openclaude routes",
    ),
    "a model in the user's settings without a route": Fault(
        lambda u: u.settings(model="us.anthropic.claude-opus-4-6"),
        "models",
        "warning",
        f"which model of {SAID} asks for",
        f"remove it from model of {SAID}",
    ),
    "an override in the project without a route": Fault(
        lambda u: u.settings("project", modelOverrides={"claude-opus-5-5": "gone"}),
        "models",
        "warning",
        "no route takes `gone`, which modelOverrides of {user.project}",
        "openclaude routes",
    ),
    "betas turned off": Fault(
        lambda u: u.env.update(CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS="1"),
        "features",
        "warning",
        "turns off tool search and context editing",
        "remove CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS",
    ),
    "auto mode with a tier on Bedrock": Fault(
        lambda u: u.settings(permissions={"defaultMode": "auto"}),
        "auto mode",
        "warning",
        f"{SAID} chooses auto mode, and nobody checks actions for agents on haiku",
        "--permission-mode default",
    ),
    "no AWS profile": Fault(
        lambda u: (u.home / ".aws" / "credentials").unlink(),
        "aws",
        "problem",
        "AWS profile 'openclaude' is in neither",
        "aws configure --profile openclaude",
    ),
    "half an AWS key": Fault(
        lambda u: u.write(u.home / ".aws" / "credentials", "[openclaude]\naws_access_key_id = a\n"),
        "aws",
        "problem",
        "has no aws_secret_access_key",
        "aws configure --profile openclaude",
    ),
    "an SSO session that does not exist": Fault(
        lambda u: (
            u.write(u.home / ".aws" / "config", "[profile openclaude]\nsso_session = x\n"),
            (u.home / ".aws" / "credentials").unlink(),
        ),
        "aws",
        "problem",
        "has no [sso-session x]",
        "aws configure sso --profile openclaude",
    ),
    "streaming that AWS refuses": Fault(
        lambda u: setattr(
            u, "steps", (Step("ConverseStream", "qwen-3-coder", "problem", "not allowed", "allow it"),)
        ),
        "aws ConverseStream",
        "problem",
        "qwen-3-coder: not allowed",
        "allow it",
    ),
}
MORE_THAN_ONE = {"a tier without a route", "a folder that is a link", "no configuration"}
"""Faults that have further consequences, which are said as well."""


def test_nothing_is_said_of_a_set_up_in_order(user: User) -> None:
    assert [str(finding) for finding in user.wrong()] == []
    assert {finding.check for finding in user.examined()} == {
        *(
            "client",
            "login",
            "settings",
            "proxy",
            "trust",
            "files",
            "disk",
            "configuration",
            "models",
            "port",
        ),
        *("features", "auto mode", "aws", "certificate"),
    }


def test_there_are_more_faults_than_were_asked_for() -> None:
    assert len(FAULTS) >= 25


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_found_and_named_with_its_remedy(user: User, case: str) -> None:
    fault = FAULTS[case]
    fault.plant(user)
    wrong = user.wrong()
    assert case in MORE_THAN_ONE or len(wrong) == 1, [str(finding) for finding in wrong]
    found = next(finding for finding in wrong if finding.check == fault.check)
    assert found.verdict == fault.verdict
    assert fault.seen.format(user=user) in found.seen
    assert fault.remedy.format(user=user) in found.remedy
    assert (found.fix is not None) == fault.fixable


@pytest.mark.parametrize("case", [name for name, fault in FAULTS.items() if fault.fixable])
def test_a_fault_of_ours_is_mended_and_then_gone(user: User, case: str) -> None:
    fault = FAULTS[case]
    fault.plant(user)
    for finding in user.wrong():
        if finding.fix is not None:
            assert finding.fix()
    assert [str(finding) for finding in user.wrong() if finding.check == fault.check] == []


def test_a_proxy_that_takes_loopback_too_is_said(user: User) -> None:
    user.env["HTTP_PROXY"] = "http://p:1"
    assert [finding.remedy for finding in user.wrong()][
        1
    ] == 'export NO_PROXY="$NO_PROXY,127.0.0.1,localhost"'


def test_examining_changes_nothing(user: User) -> None:
    def state() -> list[tuple[str, int, int]]:
        return [
            (str(path), path.lstat().st_mode, path.lstat().st_mtime_ns)
            for path in sorted(user.root.rglob("*"))
        ]

    before = state()
    user.examined()
    assert state() == before


def test_no_secret_is_said(user: User, canary: Callable[[str], str]) -> None:
    secret = canary("sk-ant-" + "api03-")
    names = (
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "ANTHROPIC_BASE_URL",
        "HTTPS_PROXY",
        "AWS_SECRET_ACCESS_KEY",
    )
    user.env |= dict.fromkeys(names, f"https://x:{secret}@host")
    user.env["ANTHROPIC_CUSTOM_HEADERS"] = f"Authorization: {secret}"
    for kind in ("user", "project", "local", "managed"):
        user.settings(kind, env=dict.fromkeys(names, secret), apiKeyHelper=f"echo {secret}")
    user.configure(f'[[routes]]\nmatch = "x"\nto = "anthropic"\napi_key = "{secret}"\n')
    said = "\n".join(map(str, user.examined())).encode()
    assert len(said.splitlines()) > 25
    assert not holds(said, secret)
    assert not holds(said, user.login)


def test_a_name_cannot_drive_the_terminal(user: User) -> None:
    user.env["ANTHROPIC_MODEL"] = "x\x1b[2J\u202e"
    [finding] = user.wrong()
    assert "`x\\u001b[2J\\u202e`" in str(finding)


def test_the_login_is_in_the_keychain_on_a_mac(user: User) -> None:
    (user.home / ".claude" / ".credentials.json").unlink()
    user.platform = "darwin"
    assert user.wrong() == []


def test_no_login_is_needed_where_nothing_goes_to_anthropic(user: User) -> None:
    (user.home / ".claude" / ".credentials.json").unlink()
    user.configure(
        CONFIG.format(port=user.port).replace(
            'to = "anthropic"',
            'to = "bedrock"\nmodel = "us.anthropic.claude-sonnet-5-5"\nregion = "us-west-2"\nprofile = "openclaude"',
        )
    )
    assert user.wrong() == []
