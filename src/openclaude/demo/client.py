"""The real Claude Code through the demonstration's gateway."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from openclaude.demo.report import credential_kind
from openclaude.demo.scene import Scene, staged, temporary_home
from openclaude.launcher.client import find_client
from openclaude.simulator.stories import tools_story
from openclaude.simulator.world import World

LIMIT = 180
"""Seconds the client may take."""
TASK = "Run your tool, ask a small sub-agent, and report."


def run(env: Mapping[str, str], stdout: TextIO, say: Callable[[str], None]) -> bool:
    """Drive the installed client headless; whether it did its task and the login stayed on its route.

    Raises:
        ClientError: no client is installed.
    """
    find_client(env, Path(sys.argv[0]))
    say("running the installed Claude Code through the gateway, with an invented login")
    with temporary_home() as home, World(tools_story, keep_raw=True) as world:
        (home / "gateway").mkdir(mode=0o700)
        with staged(world, env, home / "gateway") as scene:
            answer = drive(env, scene, home)
        seen = [(row.server, credential_kind(row), row.target.decode("latin-1")) for row in world.requests()]
    print("\nWhat the real client's session sent:\n", file=stdout)
    print("\n".join(f"  {server:<10} {kind:<24} {target}" for server, kind, target in seen), file=stdout)
    print(f"\nIts answer: {answer}", file=stdout)
    kept = all((kind == "plan login") == (server == "anthropic") for server, kind, _ in seen)
    both = {server for server, _, _ in seen} == {"anthropic", "bedrock"}
    return kept and both and tools_story.agent_marker in answer


def drive(
    env: Mapping[str, str],
    scene: Scene,
    home: Path,
    *,
    refresh: str = "none",
    more: Mapping[str, str] | None = None,
) -> str:
    """Run `openclaude -p` with an invented stored login and give what it printed.

    Args:
        env: the user's environment, for PATH and the like.
        scene: the gateway's.
        home: where the invented user's home folder is made.
        refresh: the stored login's other half, which no server of ours may see.
        more: further variables of the session.
    """
    folder = home / "user"
    (folder / ".claude").mkdir(parents=True, mode=0o700)
    login = {
        "accessToken": scene.login,
        "refreshToken": refresh,
        "expiresAt": 4102444800000,
        "scopes": ["user:inference", "user:profile"],
        "subscriptionType": "max",
    }
    handle = os.open(folder / ".claude" / ".credentials.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump({"claudeAiOauth": login}, file)
    child = {name: env[name] for name in ("PATH", "LANG", "TERM") if name in env} | {
        "HOME": str(folder),
        "OPENCLAUDE_HOME": str(scene.home),
        "DISABLE_TELEMETRY": "1",
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        **scene.aws,
        **(more or {}),
    }
    command = [
        sys.executable,
        "-P",
        "-m",
        "openclaude",
        "-p",
        TASK,
        "--model",
        "opus",
        "--allowedTools",
        "Bash(echo:*)",
    ]
    done = subprocess.run(  # noqa: S603  our own launcher
        command,
        cwd=folder,
        env=child,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    return done.stdout.strip() or done.stderr.strip()
