"""`openclaude [claude arguments...]`: the gateway, then the client's settings, then the real Claude Code."""

import hashlib
import json
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from openclaude import __version__, config
from openclaude.cli.common import PROBLEMS, Setup, explain, say, setup
from openclaude.domain.models import CLIENT_DEFAULTS, is_claude
from openclaude.domain.routes import RouteTable
from openclaude.launcher import control, daemon, isolated, managed, ports, settings, way
from openclaude.launcher.awscheck import aws_problem, not_followed
from openclaude.launcher.client import Arguments, find_client, guarded, split_arguments
from openclaude.launcher.client import run as become
from openclaude.launcher.environment import child_environment
from openclaude.launcher.files import write_private
from openclaude.launcher.state import State
from openclaude.launcher.variables import EXTRA_AUTHORITIES, TRANSPORT

_ORDINARY = {"ANTHROPIC_BASE_URL", *TRANSPORT}
"""The variables that lead a client to the gateway by mutual TLS."""
KEPT_SECONDS = 30 * 24 * 3600
"""How long a session's settings file is kept after its last launch."""


def run(arguments: Sequence[str], *, env: Mapping[str, str], stderr: TextIO) -> int:
    """Start everything and become the client; returns only when that is not possible."""
    split = split_arguments(arguments)
    try:
        client = find_client(env, Path(sys.argv[0]))
        managed.refuse()
        path, written = config.ensure_written(config.home(env))
        if written:
            say(stderr, f"wrote the default configuration, with comments: {path}")
        found = setup(env)
        chosen = config.load_profile(found.state.home, split.profile) if split.profile else found.config
        table = chosen.table()
        _check_aws(chosen, table, env, stderr)
        gateway = _gateway(found, env, stderr)
        own = _own_settings(split, env)
        session, led = _way(found, gateway, split, own.trusted(env), env, stderr)
        asked = _Asked(found.state, chosen, split)
        variables, file = _prepare(asked, own, (session.name, led), _Routed(table), env, stderr)
        session.connection.detach()  # on purpose: the client inherits it, and the session ends when the client does
        become(client, ["--settings", str(file), *split.rest], guarded(variables))
    except PROBLEMS as error:
        return explain(stderr, error)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What this launch is to be: whose configuration, and what the command line adds."""

    state: State
    config: config.Config
    split: Arguments


@dataclass(frozen=True, slots=True)
class _Own:
    """What the user set themselves: where their files are, their settings file, their `--settings`."""

    source: isolated.Originals
    user: Mapping[str, object]
    overlay: Mapping[str, object]

    def differ(self, env: Mapping[str, str]) -> bool:
        """Whether another shell's launch would be given other settings."""
        return bool(self.overlay) or EXTRA_AUTHORITIES in env

    def trusted(self, env: Mapping[str, str]) -> dict[str, str]:
        return settings.trusted_environment(env, self.user, self.overlay)


def _own_settings(split: Arguments, env: Mapping[str, str]) -> _Own:
    source = isolated.originals(env, Path(env.get("HOME", "/")))
    user = settings.load_settings(source.settings)
    overlay = settings.load_overlay(split.settings, Path.cwd()) if split.settings is not None else {}
    return _Own(source, user, overlay)


def _way(
    found: Setup,
    gateway: daemon.Gateway,
    split: Arguments,
    trusted: Mapping[str, str],
    env: Mapping[str, str],
    stderr: TextIO,
) -> tuple[control.Session, dict[str, str]]:
    """Open the session and choose the client's way to the gateway; the result leads it there."""
    chosen = way.choose(trusted, found.state.home, compat_http=split.compat_http)
    session = way.open_session(found.state, env, chosen)
    if way.NOTICE[chosen]:
        say(stderr, way.NOTICE[chosen])
    return session, way.variables(
        found.state, gateway, session, chosen, trusted.get(EXTRA_AUTHORITIES, ""), split.profile
    )


class _Routed:
    """What the launcher asks the route table."""

    def __init__(self, table: RouteTable[config.RouteConfig]) -> None:
        self._table = table

    def routable(self, model: str) -> bool:
        return self._table.decide(model) is not None

    def window(self, slots: Mapping[str, str]) -> int | None:
        """Tokens: the smallest window of the slots' models that the client does not know; None without such a slot."""
        sizes = []
        for model in slots.values():
            decision = self._table.decide(model)
            if decision is not None and decision.route.model is not None and not is_claude(model):
                sizes.append(config.capabilities(decision.route).context)
        return min(sizes, default=None)


def _gateway(found: Setup, env: Mapping[str, str], stderr: TextIO) -> daemon.Gateway:
    gateway = daemon.ensure(
        found.state,
        found.secrets,
        port=found.config.port,
        config=found.config.source,
        env=env,
        say=lambda text: say(stderr, text),
    )
    if gateway.running.version != __version__:
        return _replaced(found, gateway, stderr)
    if gateway.running.config != found.digest:
        say(
            stderr,
            "the gateway runs with an earlier configuration\nhint: `openclaude reload` takes the new one over",
        )
    elif not gateway.started_now and gateway.running.port != found.config.port:
        say(stderr, _elsewhere(found.config.port, gateway.running.port))
    return gateway


def _replaced(found: Setup, gateway: daemon.Gateway, stderr: TextIO) -> daemon.Gateway:
    """A gateway of another version gives way to this one; its sessions and answers under way go on."""
    problem = daemon.restart(found.state, lambda text: say(stderr, text))
    after = daemon.find(found.state, found.secrets)
    if problem is not None or after is None:
        raise daemon.GatewayError(
            f"the gateway is version {gateway.running.version} and could not be replaced: {problem or 'it has gone'}",
            "openclaude stop, then try again",
        )
    say(stderr, f"the gateway was version {gateway.running.version}; now it is {after.running.version}")
    return after


def _elsewhere(wanted: int, actual: int) -> str:
    """Why the running gateway is not on the configured port: who is there now, or that it is free again."""
    if ports.is_free(wanted):
        return f"the gateway is on port {actual}, not on {wanted}\nhint: `openclaude restart` moves it to {wanted}"
    who = ports.holder(wanted) or "another program"
    return (
        f"port {wanted} is taken by {who}, which is not openClaude; nothing was sent to it. "
        f"The gateway is on port {actual}"
    )


def _check_aws(
    chosen: config.Config,
    table: RouteTable[config.RouteConfig],
    env: Mapping[str, str],
    stderr: TextIO,
) -> None:
    """One line for each profile that a tier needs and that is plainly not usable; the client starts all the same."""
    tiers = {**CLIENT_DEFAULTS, **chosen.slots}
    routes = [decision.route for model in tiers.values() if (decision := table.decide(model))]
    names = [name for route in routes for name in route.fallback]
    routes += [decision.route for name in names if (decision := table.decide(name))]
    bedrock, user = [route for route in routes if route.to == "bedrock"], Path(env.get("HOME", "/"))
    # A key of Claude Platform on AWS is all that its routes need.
    keyed = [
        route for route in bedrock if route.is_platform and not route.profile and env.get(route.key_variable)
    ]
    problems = [
        aws_problem(env, user, profile, datetime.now(UTC))
        for profile in dict.fromkeys(route.profile for route in bedrock if route not in keyed)
    ]
    for route in bedrock:
        problems += not_followed(env, user, route.profile, fips=route.fips, dualstack=route.dualstack)
    for problem in dict.fromkeys(problems):
        if problem is not None:
            say(stderr, problem)


def _prepare(
    asked: _Asked,
    own: _Own,
    led: tuple[str, Mapping[str, str]],
    routed: _Routed,
    env: Mapping[str, str],
    stderr: TextIO,
) -> tuple[dict[str, str], Path]:
    """Derive the client's settings and environment; returns the environment and the settings file.

    A session that differs from others (its AWS environment, its way to the gateway, its profile) gets a settings file of its
    own: the client watches the file it was given, and another shell's launch must not move it to that shell's session.
    """
    session, variables = led
    overlay = settings.derive_overlay(
        way=variables,
        slots=asked.config.slots,
        window=routed.window(asked.config.slots),
        environ=env,
        routable=routed.routable,
        user_settings=own.user,
        user_overlay=own.overlay,
    )
    if any(route.fallback for route in asked.config.routes) and not own.user.get(settings.STATUS_LINE):
        overlay = settings.with_status_line(overlay, _status_line(asked), Path.cwd())
    if all(route.to != "anthropic" for route in asked.config.routes):
        overlay = settings.without_login(overlay)
    folder = _own_folder(asked, own.source, routed.routable)
    child = child_environment(env, overlay, config_dir=folder)
    text = json.dumps(overlay, indent=2).encode() + b"\n"
    file = asked.state.home / "settings.json"
    if session or own.differ(env) or variables.keys() != _ORDINARY or asked.split.profile:
        file = asked.state.run / f"settings-{hashlib.sha256(text).hexdigest()[:12]}.json"
        _clear_old(asked.state.run)
    write_private(file, text)
    aside = (*child.neutralised, *settings.set_aside(own.user, own.overlay))
    if aside:
        say(stderr, f"not used in this session: {', '.join(dict.fromkeys(aside))}")
    return child.variables, file


def _status_line(asked: _Asked) -> str:
    """The command that tells what goes elsewhere."""
    profile = ["--profile", asked.split.profile] if asked.split.profile else []
    # -P: the client runs it in the project, and a module of the project's must not take its place.
    return shlex.join([sys.executable, "-P", "-m", "openclaude", "statusline", *profile])


def _clear_old(run: Path) -> None:
    """Remove settings files of sessions that began long ago."""
    oldest = time.time() - KEPT_SECONDS
    for file in run.glob("settings-*.json"):
        with suppress(OSError):
            if file.stat().st_mtime < oldest:
                file.unlink()


def _own_folder(
    asked: _Asked,
    source: isolated.Originals,
    routable: Callable[[str], bool],
) -> Path | None:
    if not asked.split.isolated and asked.config.client_config != "isolated":
        return None
    return isolated.prepare(asked.state.home, source, routable, asked.split.profile)
