"""Sessions of the real Claude Code, through openClaude and without it."""

import asyncio
import hashlib
import json
import mmap
import os
import subprocess
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

from openclaude import config
from openclaude.simulator.anthropic import AnthropicSimulator
from openclaude.simulator.http import Setup
from openclaude.simulator.script import Script
from support.patience import DEADLINE
from support.product import CLIENT, Home
from support.witness import ELSEWHERE, WITNESS

MISSING = (
    f"the real Claude Code client is not at {CLIENT}: run `make client` (it needs npm), then the tests again"
)
SYSTEM_PATH = os.pathsep.join(("/usr/local/bin", "/usr/bin", "/bin"))
TRAFFIC = "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"
ECHO = ("--allowedTools", "Bash(echo:*)")


def with_client(home: Home, *more: Mapping[str, str], client: Path = CLIENT) -> dict[str, str]:
    """The user's environment with the real client first on the PATH."""
    environment = {**home.env, "PATH": os.pathsep.join([str(client.parent), SYSTEM_PATH])}
    # Answers for a machine at Amazon: its own role would make missing credentials no problem.
    environment["AWS_EC2_METADATA_DISABLED"] = "true"
    for extra in more:
        environment |= extra
    return environment


def configure(home: Home, *, port: int | None = None, text: str = "") -> Path:
    """Write the configuration before the gateway starts: the ordinary one, on another port, or this text."""
    path, _ = config.ensure_written(home.state().home)
    written = text or path.read_text("utf-8")
    path.write_text(written.replace("port = 4000", f"port = {port}") if port is not None else written)
    return path


def directly(
    home: Home,
    project: Path,
    base_url: str,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    client: Path = CLIENT,
) -> subprocess.CompletedProcess[str]:
    """Run the client without openClaude, with a base URL in its environment: the control of an experiment.

    It gives its login away, which is the point; so nobody minds what strangers get in this test.
    """
    WITNESS.excuse(ELSEWHERE)
    return subprocess.run(
        [client, *arguments],
        env={**with_client(home, client=client), "ANTHROPIC_BASE_URL": base_url, **(env or {})},
        cwd=project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


@contextmanager
def plain_api(script: Script, *, models: Collection[str] = ()) -> Iterator[AnthropicSimulator]:
    """The simulated Messages API over HTTP, for a client that is driven directly."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="plain-api", daemon=True)
    thread.start()
    server = AnthropicSimulator(script, models=models, setup=Setup(keep_raw=True))
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def expire_login(home: Home) -> str:
    """Let the stored login run out, so that the client asks for a new one first; the result is its refresh token."""
    path = home.path / ".claude" / ".credentials.json"
    stored = json.loads(path.read_text())
    stored["claudeAiOauth"] |= {"expiresAt": 1, "refreshToken": "sk-ant-" + "ort01-" + token_hex(24)}
    path.write_text(json.dumps(stored))
    return str(stored["claudeAiOauth"]["refreshToken"])


def furnish(home: Home) -> None:
    """Give the user what a Claude Code user has: settings, memory, an agent, a skill, a command, a rule."""
    folder = home.path / ".claude"
    files = {
        "settings.json": json.dumps(
            {"permissions": {"allow": ["Bash(echo:*)"]}, "env": {"OWN_WORD": "kept"}}
        ),
        "CLAUDE.md": "The user's memory says: remember-the-heron.\n",
        "agents/heron-watcher.md": _described("heron-watcher", "Watches herons.") + "You watch herons.\n",
        "skills/heron-counting/SKILL.md": _described("heron-counting", "Counts herons.") + "Count them.\n",
        "commands/heron.md": "Say heron.\n",
        "rules/herons.md": "Herons are never disturbed.\n",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _described(name: str, text: str) -> str:
    return f"---\nname: {name}\ndescription: {text}\n---\n"


def trust(home: Home, project: Path) -> None:
    """The state of a client whose first run is long ago and that trusts the project."""
    project_state = {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}
    state: dict[str, Any] = {
        "hasCompletedOnboarding": True,
        "lastOnboardingVersion": "2.1.330",
        "theme": "dark",
        "projects": {str(project): project_state},
    }
    (home.path / ".claude.json").write_text(json.dumps(state))


def digests(folder: Path) -> dict[str, tuple[int, str]]:
    """Mode and digest of every file below a folder, by its path there; links are not followed."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def changed(before: Mapping[str, object], after: Mapping[str, object]) -> set[str]:
    """What is new, gone or different."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def client_knows(name: str) -> bool:
    """Whether the name is a word of the client's own program, so that the client may have written it."""
    with (
        CLIENT.resolve().open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as program,
    ):
        return program.find(name.encode()) >= 0
