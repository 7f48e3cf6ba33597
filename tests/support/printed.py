"""The real client in print mode, with what it says as values: its messages, its retries, its last word."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from openclaude.config import PRESETS
from openclaude.simulator.recorded import Recorded
from openclaude.simulator.script import Script
from openclaude.simulator.world import World
from support.patience import DEADLINE
from support.product import Home, gateway_for
from support.session import configure, with_client

Json = dict[str, Any]


class Session:
    """Runs of the client in one project, through one gateway.

    Attributes:
        code: the exit code of the last run.
    """

    def __init__(self, home: Home, project: Path, world: World) -> None:
        self.home = home
        self.project = project
        self.world = world
        self.code: int | None = None

    def run(
        self,
        prompt: str,
        *more: str,
        model: str = "haiku",
        env: Mapping[str, str] | None = None,
        piped: str = "",
    ) -> list[Json]:
        """The lines of the client's output; `piped` is what stands before the prompt."""
        done: subprocess.CompletedProcess[str] = self.home.run(
            "-p", prompt, "--model", model, "--output-format", "stream-json", "--verbose", *more,
            env=with_client(self.home, self.world.aws_env(), env or {}), cwd=self.project, timeout=DEADLINE, said=piped,
        )  # fmt: skip
        self.code = done.returncode
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert lines, done.stderr
        return lines

    @property
    def bedrock(self) -> tuple[Recorded, ...]:
        return self.world.log.requests("bedrock")

    @property
    def anthropic(self) -> tuple[Recorded, ...]:
        return self.world.log.requests("anthropic")


@contextmanager
def session(home: Home, project: Path, script: Script, *, text: str = PRESETS["mixed"]) -> Iterator[Session]:
    """A session with this configuration. The login must not be at Bedrock when it is over."""
    configure(home, text=text)
    with World(script, keep_raw=True) as world, gateway_for(home, world):
        yield Session(home, project, world)
        assert not any(home.login.encode() in wire for wire in world.log.wires("bedrock"))


def operations(rows: tuple[Recorded, ...]) -> list[str]:
    return [row.path.decode().rpartition("/")[2] for row in rows]


def blocks(messages: list[Json], kind: str) -> list[Json]:
    """The blocks of one kind in Converse messages, in order."""
    return [block[kind] for message in messages for block in message["content"] if kind in block]


def said(lines: list[Json], role: str, kind: str) -> list[Json]:
    """The blocks of one type in what the client tells of a role's messages, in order."""
    messages = [line["message"]["content"] for line in lines if line["type"] == role]
    found = [block for content in messages if isinstance(content, list) for block in content]
    return [block for block in found if block["type"] == kind]


def outcome(lines: list[Json]) -> tuple[bool, str]:
    """Whether the session failed, and its last word."""
    return lines[-1]["is_error"], lines[-1]["result"]


def retries(lines: list[Json]) -> list[int]:
    """The HTTP status behind each repetition the client announces, in order."""
    return [line["error_status"] for line in lines if line.get("subtype") == "api_retry"]
