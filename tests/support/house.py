"""A user's home in which `openclaude` runs to its end: a configuration with a port of its own, and a stand-in client."""

import json
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakes.fake_claude import install
from openclaude.config.presets import PRESETS
from support.patience import DEADLINE
from support.product import OPENCLAUDE, Home, make_home


def free_port() -> int:
    """A port nobody has, below those the system hands out by itself: nobody else's port 0 takes it."""
    while True:
        port = random.randrange(20_000, 30_000)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def until(what: str, holds: Callable[[], object]) -> None:
    """Wait until something holds; `what` names it in the failure."""
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline, f"not within {DEADLINE} s: {what}"
        time.sleep(0.02)


def resident(pid: int) -> int:
    """Bytes of memory a process has, by the kernel's count."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) * 1024


@dataclass
class House:
    """One user. `port` is what the configuration says; `home` runs the commands."""

    home: Home
    port: int

    @property
    def state(self) -> Path:
        return self.home.state_home

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return self.home.run(*arguments, env=env)

    def start(self) -> dict[str, Any]:
        """Start the gateway; the result is its status."""
        done = self.run("start")
        assert done.returncode == 0, done.stderr
        return self.status()

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.run("status", "--json").stdout))

    def launch(self, number: int = 0, *, env: Mapping[str, str] | None = None) -> "Launch":
        """Run `openclaude` with the stand-in client, in the background."""
        record = self.home.path / f"record-{number}.json"
        variables = {
            **self.home.env,
            "FAKE_CLAUDE_RECORD": str(record),
            "AWS_EC2_METADATA_DISABLED": "true",
            **(env or {}),
        }
        process = subprocess.Popen(
            [*OPENCLAUDE, "-p", f"task {number}"],
            env=variables,
            cwd=self.home.path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return Launch(process, record)

    def gateways(self) -> list[int]:
        """The pids of this user's gateways, by what the system lists; their workers are not counted."""
        listed = subprocess.run(
            ["ps", "-axww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
        )
        mine = [
            line.split()
            for line in listed.stdout.splitlines()
            if " serve " in line and str(self.state) in line
        ]
        pids = {fields[0] for fields in mine}
        return [int(pid) for pid, parent, *_ in mine if parent not in pids]

    def log(self) -> str:
        path = self.state / "logs" / "gateway.log"
        return path.read_text() if path.exists() else ""


@dataclass
class Launch:
    """One run of `openclaude` up to the end of its client."""

    process: "subprocess.Popen[str]"
    record: Path

    def finished(self) -> "tuple[int, str, dict[str, Any]]":
        """Exit code, stderr, and what the client was started with (empty when it was not)."""
        _, stderr = self.process.communicate(timeout=DEADLINE)
        seen = json.loads(self.record.read_text()) if self.record.exists() else {}
        return self.process.returncode, stderr, seen


@contextmanager
def housed(folder: Path, login: str, *, port: int | None = None) -> Iterator[House]:
    """A house; what still runs in it is stopped at the end, its own gateway only."""
    home = make_home(folder, login)
    home.env["PATH"] = os.pathsep.join([str(install(folder / "bin").parent), home.env["PATH"]])
    home.state_home.mkdir(mode=0o700)
    chosen = port if port is not None else free_port()
    config = home.state_home / "config.toml"
    config.write_text(PRESETS["mixed"].replace("port = 4000", f"port = {chosen}"))
    config.chmod(0o600)
    house = House(home, chosen)
    try:
        yield house
    finally:
        house.run("stop")
        for pid in house.gateways():
            os.kill(pid, signal.SIGKILL)
