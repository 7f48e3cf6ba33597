"""A user whose set-up is in order, and what can go wrong with it."""

import json
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openclaude.doctor.examine import examine
from openclaude.doctor.findings import Finding
from openclaude.doctor.patient import Machine, Patient
from openclaude.launcher import certificates
from openclaude.launcher.state import open_state
from openclaude.preflight.steps import Step

CONFIG = """\
[gateway]
port = {port}

[slots]
haiku = "qwen-3-coder"

[[routes]]
match = "claude-*"
to = "anthropic"

[[routes]]
match = "qwen-3-coder"
to = "bedrock"
model = "qwen.qwen3-coder-next"
region = "us-west-2"
profile = "openclaude"
"""
NOW = 1_800_000_000.0


@dataclass
class User:
    """A user's home, project and machine; everything is in order until something is planted."""

    root: Path
    login: str
    env: dict[str, str] = field(default_factory=dict)
    version: str = "2.1.330 (Claude Code)"
    free: int = 10**12
    platform: str = "linux"
    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        self.home = self.root / "home"
        self.folder = self.home / ".openClaude"
        self.project = self.root / "project"
        self.managed = self.root / "managed"
        for place in (
            self.home / ".claude",
            self.home / ".aws",
            self.root / "bin",
            self.project / ".claude",
            self.managed,
        ):
            place.mkdir(parents=True)
        self.env = {"HOME": str(self.home), "PATH": str(self.root / "bin")}
        client = self.write(self.root / "bin" / "claude", "#!/bin/sh\n")
        client.chmod(0o755)
        self.store_login(accessToken=self.login, refreshToken="r", expiresAt=(NOW + 3600) * 1000)
        keys = "aws_access_key_id = a\naws_secret_access_key = b\n"
        self.write(self.home / ".aws" / "credentials", f"[openclaude]\n{keys}")
        state = open_state(self.folder)
        state.secrets()
        certificates.ensure(state, lambda: NOW - 86400)
        self.port = free_port()
        self.configure(CONFIG.format(port=self.port))

    def write(self, path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        return path

    def configure(self, text: str) -> None:
        self.write(self.folder / "config.toml", text)

    def store_login(self, **fields: Any) -> None:
        self.write(self.home / ".claude" / ".credentials.json", json.dumps({"claudeAiOauth": fields}))

    def settings(self, kind: str = "user", **content: Any) -> Path:
        """Write one of Claude Code's settings files."""
        places = {
            "user": self.home / ".claude" / "settings.json",
            "project": self.project / ".claude" / "settings.json",
            "local": self.project / ".claude" / "settings.local.json",
            "managed": self.managed / "managed-settings.json",
        }
        return self.write(places[kind], json.dumps(content))

    @property
    def pair(self) -> Path:
        """The folder of the newest certificates."""
        return max((self.folder / "tls").glob("[0-9]*"), key=lambda path: int(path.name))

    def examined(self) -> list[Finding]:
        machine = Machine(
            platform=self.platform,
            managed=(self.managed / "managed-settings.json", self.managed / "managed-settings.d"),
            version_of=lambda _client, _env: self.version,
            free_bytes=lambda _folder: self.free,
            now=lambda: NOW,
            program=Path("/nowhere/openclaude"),
        )
        patient = Patient(self.env, self.project, self.folder, machine)
        return list(examine(patient, (lambda _routes: self.steps) if self.steps else None))

    def wrong(self) -> list[Finding]:
        """What is not in order."""
        return [finding for finding in self.examined() if finding.verdict != "ok"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def left_socket(folder: Path) -> None:
    """A control socket nobody listens on any more."""
    (folder / "port").write_text("4000\n")
    (folder / "port").chmod(0o600)
    before = Path.cwd()
    os.chdir(folder)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("control.sock")
            os.chmod("control.sock", 0o600)  # noqa: PTH101
    finally:
        os.chdir(before)
