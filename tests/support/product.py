"""The product as a user runs it: processes, a home folder of its own, simulated providers at their real names."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from openclaude.launcher import control, daemon
from openclaude.launcher.control import Running
from openclaude.launcher.daemon import Gateway
from openclaude.launcher.state import State, open_state
from openclaude.simulator.world import World
from support.every_request import check_rows
from support.patience import DEADLINE
from support.witness import ANTHROPIC, OUTPUT, WITNESS

OPENCLAUDE = (sys.executable, "-P", "-m", "openclaude")
_ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = Path("node_modules", ".bin", "claude")
CLIENT = _ROOT / ".cache" / "client" / _PROGRAM
EARLIER = {
    path.name: _ROOT / ".cache" / f"client-{path.name}" / _PROGRAM
    for path in sorted((_ROOT / "tests" / "client" / "earlier").iterdir())
}
"""Earlier versions of the client, by number; `make clients` installs them."""


@dataclass(frozen=True)
class Home:
    """A user's home folder with a stored login that `login` names, and openClaude's folder in it."""

    path: Path
    login: str
    env: dict[str, str] = field(repr=False)

    @property
    def state_home(self) -> Path:
        return self.path / ".openClaude"

    def state(self) -> State:
        return open_state(self.state_home)

    def reload(self) -> None:
        """What `openclaude reload` asks of a running gateway: among other things it forgets how its providers were doing."""
        answer = control.ask(self.state_home / "run", "reload")
        assert answer is not None
        assert "error" not in answer

    def run(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float = DEADLINE,
        said: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """Run `openclaude` to its end; `said` is its standard input."""
        done = subprocess.run(
            [*OPENCLAUDE, *arguments],
            env={**self.env, **(env or {})},
            cwd=cwd or self.path,
            input=said,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        WITNESS.saw(OUTPUT, done.stdout + done.stderr)
        return done

    def settings_given(self) -> str:
        """What the last session's client was given by `--settings`."""
        files = [self.state_home / "settings.json", *(self.state_home / "run").glob("settings-*.json")]
        newest = max((file for file in files if file.exists()), key=lambda file: file.stat().st_mtime_ns)
        return newest.read_text()

    def running(self) -> Running | None:
        """What the running gateway says of itself."""
        gateway = daemon.find(self.state(), self.state().secrets())
        return None if gateway is None else gateway.running


def make_home(path: Path, login: str) -> Home:
    """A home folder with a stored Claude login, as `/login` leaves it on Linux."""
    WITNESS.plant(login, (ANTHROPIC,))
    WITNESS.home(path / ".openClaude")
    folder = path / ".claude"
    folder.mkdir(parents=True)
    stored = {
        "accessToken": login,
        "refreshToken": "sk-ant-" + "ort01-" + "never-sent-anywhere",
        "expiresAt": 4102444800000,
        "scopes": ["user:inference", "user:profile"],
        "subscriptionType": "max",
        "rateLimitTier": "default_claude_max_20x",
    }
    credentials = folder / ".credentials.json"
    credentials.write_text(json.dumps({"claudeAiOauth": stored}))
    credentials.chmod(stat.S_IRUSR | stat.S_IWUSR)
    env = {
        "HOME": str(path),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        # subprocess coverage, where the test run measures it
        **{name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")},
    }
    return Home(path, login, env)


@contextmanager
def gateway_for(
    home: Home,
    world: World,
    *,
    port: int = 0,
    env: Mapping[str, str] | None = None,
    flags: Sequence[str] = (),
) -> Iterator[Gateway]:
    """A gateway process whose providers are the world's simulators; stopped at the end.

    Raises:
        NotConverseError: it sent something Bedrock would not read, whether or not anybody noticed.
    """
    state = home.state()
    told = {**home.env, **world.aws_env(), **(env or {})}
    redirects = [flag for entry in world.connect_to for flag in ("--connect-to", entry)]
    config = state.home / "config.toml"
    daemon.spawn(
        state,
        port=port,
        config=config if config.exists() else None,
        env=told,
        aws={name: value for name, value in told.items() if name.startswith("AWS_")},
        flags=[*redirects, "--ca-file", str(world.ca_file), *flags],
    )
    try:
        gateway = daemon.find(state, state.secrets())
        assert gateway is not None
        WITNESS.aws(told)
        WITNESS.process(gateway.running.pid)
        yield gateway
        check_rows(world.log.requests("bedrock"))
    finally:
        daemon.stop(state)
