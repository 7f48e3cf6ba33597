"""What the tests of the preflight share: routes, an environment's keys, and a check against a world."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from openclaude import config
from openclaude.config import RouteConfig
from openclaude.credentials.sealed import AwsKeys
from openclaude.edge import dial
from openclaude.edge.oneshot import OneShot
from openclaude.edge.tls import client_context
from openclaude.preflight.calling import Caller, KeySigner, Signer
from openclaude.preflight.check import Tools
from openclaude.simulator.world import World

NOWHERE = Path("/nonexistent")
"""No machine of Amazon's."""


def routes(*tables: str) -> tuple[RouteConfig, ...]:
    """The routes of a configuration whose `[[routes]]` tables have these lines; `;` separates lines."""
    lines = ["\n".join(["[[routes]]", *table.split("; ")]) for table in tables]
    return config.parse("\n\n".join(lines), "test.toml").routes


def bedrock(model: str, region: str = "us-west-2", match: str = "m", more: str = "") -> str:
    """The lines of a route to Bedrock."""
    return f'match = "{match}"; to = "bedrock"; model = "{model}"; region = "{region}"' + (
        f"; {more}" if more else ""
    )


def caller(world: World, wall: Callable[[], float]) -> Caller:
    """A caller whose requests reach the world's servers."""
    sender = OneShot(tls=client_context(world.ca_file), dial=dial.parse(world.connect_to))
    return Caller(sender.send, wall)


def signer(world: World) -> Signer:
    """Signs with the world's keys."""
    env = world.aws_env()
    return KeySigner(
        AwsKeys(
            access_key=env["AWS_ACCESS_KEY_ID"],
            secret_key=env["AWS_SECRET_ACCESS_KEY"],
            token=env["AWS_SESSION_TOKEN"],
            source="env",
        )
    )


def environment_probe(env: Mapping[str, str], question: Mapping[str, Any]) -> dict[str, Any]:
    """A look-up that knows the environment only, and nothing of profiles."""
    if question["profile"] is not None or "AWS_ACCESS_KEY_ID" not in env:
        return {"error": "NoCredentials", "detail": ""}
    return {
        "access_key": env["AWS_ACCESS_KEY_ID"],
        "secret_key": env["AWS_SECRET_ACCESS_KEY"],
        "token": env["AWS_SESSION_TOKEN"],
        "expires": None,
        "method": "env",
    }


def tools(world: World, wall: Callable[[], float], env: Mapping[str, str]) -> Tools:
    """What a check against the world works with."""
    return Tools(caller(world, wall), environment_probe, wall, env, ambient=NOWHERE)


def shown(steps: Sequence[object]) -> str:
    """The steps as a terminal shows them."""
    return "".join(f"{step}\n" for step in steps)
