"""Simulated providers, a gateway of its own in a temporary folder, and invented credentials."""

import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from openclaude.demo.conversation import Way
from openclaude.launcher import daemon
from openclaude.launcher.control import client_context
from openclaude.launcher.daemon import Gateway, GatewayError
from openclaude.launcher.state import open_state
from openclaude.simulator.script import Answer, Ask, ToolUse, say
from openclaude.simulator.world import World


@dataclass(frozen=True, slots=True)
class Scene:
    """A running demonstration. `login` is an invented plan login; `home` is the gateway's folder."""

    world: World
    gateway: Gateway
    home: Path
    login: str
    aws: Mapping[str, str]

    @property
    def way(self) -> Way:
        """How a program reaches the gateway."""
        return Way(self.gateway.base_url, client_context(self.gateway.pairs))

    @property
    def secrets(self) -> dict[str, str]:
        """Every credential in play, by the name it has in the report."""
        return {
            "plan login": self.login,
            "AWS secret key": self.aws["AWS_SECRET_ACCESS_KEY"],
            "AWS session token": self.aws["AWS_SESSION_TOKEN"],
            "AWS access key id": self.aws["AWS_ACCESS_KEY_ID"],
            "gateway secret": self.gateway.secrets.base_path,
        }


def weather(ask: Ask) -> Answer:
    """A model that calls its tool once and then says what it heard."""
    outcomes = ask.outcomes()
    if "weather" in ask.tools and not outcomes:
        return Answer((ToolUse("weather", {"city": "Lyon"}),))
    heard = outcomes[-1][1].text if outcomes else "nothing"
    return say(f"{ask.model} says: in Lyon it is {heard}.")


@contextmanager
def staged(
    world: World,
    env: Mapping[str, str],
    home: Path,
    *,
    config: Path | None = None,
    own_keys: bool = True,
) -> Iterator[Scene]:
    """Start a gateway that finds the simulated providers at their real names.

    Args:
        world: the providers.
        env: the user's environment, of which the gateway gets little.
        home: the gateway's folder.
        config: its configuration, or None for the built-in one.
        own_keys: whether the gateway has AWS keys of its own, so that a request without a session is signed.
    """
    state = open_state(home)
    aws = world.aws_env()
    flags = [flag for entry in world.connect_to for flag in ("--connect-to", entry)]
    daemon.spawn(
        state,
        port=0,
        config=config,
        env=env,
        aws=aws if own_keys else None,
        flags=[*flags, "--ca-file", str(world.ca_file)],
    )
    try:
        gateway = daemon.find(state, state.secrets())
        if gateway is None:
            raise GatewayError("the demonstration's gateway went away", f"see {state.log_file}")
        yield Scene(world, gateway, home, "sk-ant-" + "oat01-" + secrets.token_urlsafe(48), aws)
    finally:
        daemon.stop(state)


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="openclaude-demo-") as folder:
        os.chmod(folder, 0o700)  # noqa: PTH101
        yield Path(folder)
