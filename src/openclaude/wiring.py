"""The composition root: a configuration in, a running gateway out. It decides nothing."""

import asyncio
import os
import signal
import socket
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openclaude import __version__
from openclaude.adapters.anthropic import AnthropicAdapter
from openclaude.adapters.calibration import Calibration
from openclaude.config import Config, RouteConfig, conditions_of, digest, parse
from openclaude.config import capabilities as route_capabilities
from openclaude.credentials.fingerprints import GATEWAY, KNOWN
from openclaude.credentials.policies import (
    MANTLE_SERVICE,
    Passthrough,
    SignFor,
    bedrock_origin,
    mantle_origin,
    platform_origin,
)
from openclaude.domain import aws
from openclaude.domain.http import Origin
from openclaude.domain.models import CLIENT_DEFAULTS
from openclaude.domain.routes import RouteTable
from openclaude.edge import memory
from openclaude.edge.accesslog import RotatingLog, where
from openclaude.edge.awskeys import KeyStore, Probe
from openclaude.edge.channel import Channel, Operation
from openclaude.edge.clock import LoopClock
from openclaude.edge.connection import Report
from openclaude.edge.dial import DialMap
from openclaude.edge.doors import Doors, Keys
from openclaude.edge.egress import EgressWall
from openclaude.edge.sessions import Sessions, is_aws_s
from openclaude.edge.tls import Loopback, Pair, trusting
from openclaude.edge.upstream import UpstreamTransport
from openclaude.edge.worker import ThreadWorker
from openclaude.fastpath import Express, FastClientConnection, FastUpstreamConnection
from openclaude.gateway.deciding import Watched
from openclaude.gateway.exchange import Services
from openclaude.gateway.late import LateDialect
from openclaude.gateway.needs import Ability
from openclaude.gateway.pipeline import Pipeline
from openclaude.gateway.profiles import Profiles
from openclaude.gateway.routes import PassthroughRoute, Route, SignedRoute, fallback_of
from openclaude.ports import Clock, Dialect, Handler, Worker

if TYPE_CHECKING:
    from openclaude.adapters.bedrock_converse.estimate import Estimator
    from openclaude.adapters.profiles import Profile

GRACE = 10.0
"""Seconds that answers under way get to finish when the gateway stops."""
BEDROCK = "bedrock"
"""What every Bedrock route is called in the log and in the signature of unsigned reasoning."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a gateway is made of, before it runs. `sockets` and `certificates` are as in `edge.doors` and `edge.tls`.

    `channel` leads to the supervisor; without one the gateway is its own. `opened` are the doors that are open from the
    start; `sessions` are those there are; `probe` looks AWS keys up; `reason` is why this worker replaces another one, if it does.
    """

    config: Config
    sockets: Mapping[str, socket.socket]
    certificates: Callable[[], Sequence[Pair]]
    channel: socket.socket | None
    log_file: Path
    base_path: str = field(repr=False)
    identity: str = field(repr=False)
    dial: DialMap = field(default_factory=DialMap)
    ca_file: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    ready: Callable[[], None] | None = None
    worker: Callable[[Report], Worker] = ThreadWorker
    clock: Callable[[], Clock] = LoopClock
    probe: Probe | None = None
    opened: Sequence[str] = ()
    profiles: Mapping[str, Config] = field(default_factory=dict)
    sessions: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    reason: str = ""


async def serve(plan: Plan) -> None:
    """Run the gateway until it is told to stop, or its supervisor has gone."""
    stopping, loop = Stopping(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT) if plan.channel is None else ():
        loop.add_signal_handler(number, stopping.now)
    log = RotatingLog(plan.log_file, loop.call_later)
    port = plan.sockets["mutual"].getsockname()[1]

    def report(error: BaseException) -> None:
        log.event("internal-error", kind=type(error).__name__, where=where(error))

    def stopped(origin: Origin, credential: str, found: str) -> None:
        log.event("egress-stopped", origin=str(origin), credential=credential, found=found)

    for secret in (plan.base_path, plan.identity):
        KNOWN.remember(secret.encode(), GATEWAY)
    wall = EgressWall(signed_origins(plan.config, *plan.profiles.values()), stopped=stopped)
    trust = trusting(plan.ca_file)
    transport = UpstreamTransport(
        tls=trust, dial=plan.dial, report=report, wall=wall, connection=FastUpstreamConnection
    )
    sessions = Sessions(base=_without_aws(plan.env), own=plan.env)
    worker = plan.worker(report)
    services = Services(transport, plan.clock(), log, worker)
    store = KeyStore(sessions, wall=time.time, probe=plan.probe)
    handler = build_handler(plan.config, plan.profiles, services, store)
    keys = Keys(plan.base_path.encode(), plan.identity, sessions.tokens)
    trimmer, tls = memory.Trimmer(idle=lambda: not services.in_flight), Loopback(plan.certificates, time.time)
    doors = Doors(
        plan.sockets,
        tls,
        keys,
        handler,
        report,
        arrived=lambda: trimmer.soon(loop.call_later),
        connection=partial(FastClientConnection, express=Express(services, transport, wall)),
    )
    facts = {"port": port, "version": __version__, "config": digest(plan.config, plan.profiles)}
    running = Gateway(facts, plan.config, services, doors, sessions, store, wall)
    for session in plan.sessions:
        running.open_session(session)
    channel = await _to_supervisor(plan, running.operations(stopping), stopping, report)
    await doors.start()  # what the supervisor has said meanwhile is read before the first request
    for door in plan.opened:
        doors.open(door)
    memory.settle()
    trimmer.keep(loop.call_later)
    after = {"after": plan.reason} if plan.reason else {}
    log.event("started", version=__version__, port=str(port), pid=str(os.getpid()), **after)
    for route in plan.config.routes:
        if route.endpoint_url is not None:
            log.event("endpoint", route=route.match, origin=route.endpoint_url)
    if plan.ready is not None:
        plan.ready()
    if channel is not None:
        channel.tell("ready")
    await stopping.wait()
    await doors.stop(grace=stopping.grace)
    transport.close()
    worker.close()
    store.close()
    log.event("stopped", served=str(services.served))
    log.close()
    if channel is not None:
        channel.close()


async def _to_supervisor(
    plan: Plan, operations: Mapping[str, Operation], stopping: "Stopping", report: Report
) -> Channel | None:
    """The line to the supervisor, in use; None without one."""
    if plan.channel is None:
        return None
    channel = Channel(operations, lost=stopping.now, report=report)
    await asyncio.get_running_loop().create_unix_connection(lambda: channel, sock=plan.channel)
    return channel


class Stopping:
    """The end of a worker: whether it has come, and how long answers under way have."""

    def __init__(self) -> None:
        self.grace = GRACE
        self._event = asyncio.Event()

    def now(self, grace: float = GRACE) -> None:
        """End; a shorter time than the one before counts as well."""
        self.grace = grace
        self._event.set()

    async def wait(self) -> None:
        await self._event.wait()


@dataclass(slots=True)
class Gateway:
    """What a running worker is made of, as far as its supervisor asks for it."""

    facts: dict[str, Any]
    config: Config
    services: Services
    doors: Doors
    sessions: Sessions
    store: KeyStore
    wall: EgressWall

    def operations(self, stopping: Stopping) -> dict[str, Operation]:
        """What the supervisor can ask."""
        started = self.services.clock.monotonic()

        def drain(request: Mapping[str, Any]) -> Mapping[str, Any]:
            self.doors.shut(grace=float(request["grace"]), awaited=float(request.get("awaited", 0)))
            stopping.now(float(request["grace"]))
            return {"draining": True}

        return {
            "status": lambda _: self._status(started),
            "drain": drain,
            "session": self.open_session,
            "session-end": self._session_end,
            "open": lambda request: {"port": self.doors.open(str(request.get("door")))},
            "certificates": self._certificates,
            "credentials": lambda _: {"credentials": self.store.held()},
            "reload": self._reload,
            "health": lambda _: {"health": self.services.health()},
            "plan": lambda _: self.services.plan(),
        }

    def _status(self, started: float) -> Mapping[str, Any]:
        return {
            **self.facts,
            "uptime": self.services.clock.monotonic() - started,
            "in_flight": self.services.in_flight,
            "served": self.services.served,
            "connections": self.doors.connections,
            "egress_stopped": self.wall.count,
        }

    def open_session(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Let a session's token admit it, and sign with its AWS environment from here on; the answer names it."""
        variables, token = request.get("aws"), str(request.get("token") or "")
        if token:
            self.sessions.grant(token)
        return {"session": self.sessions.register(variables) if isinstance(variables, dict) else ""}

    def _session_end(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        self.sessions.forget(str(request.get("name")))
        self.sessions.revoke(str(request.get("token")))
        return {}

    def _certificates(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        self.doors.refresh()
        return {"refreshed": True}

    def _reload(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take over a configuration that the supervisor has checked. Requests under way end as they began."""
        config, profiles = parsed(request["texts"])
        self.wall.permit(signed_origins(self.config, config, *profiles.values()))
        self.services.healths.clear()
        self.doors.handle(build_handler(config, profiles, self.services, self.store))
        self.config = config
        self.facts["config"] = digest(config, profiles)
        return {"config": self.facts["config"]}


def parsed(texts: Mapping[str, Sequence[str]]) -> tuple[Config, dict[str, Config]]:
    """The configuration and the profiles by name, from (text, file) by name; the configuration's name is empty.

    Raises:
        ConfigError: a text has problems.
    """
    read = {name: parse(text, source) for name, (text, source) in texts.items()}
    main = read.pop("")
    return (main if texts[""][1] else replace(main, source=None)), read


def _without_aws(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if not is_aws_s(name)}


def build_handler(
    config: Config, profiles: Mapping[str, Config], services: Services, store: KeyStore
) -> Handler:
    """What answers requests: the configuration's routes, and those of each profile for its own requests."""

    def pipeline(of: Config) -> Pipeline:
        return Pipeline(build_routes(of, store), services, listed_models(of), of.slots)

    ordinary = pipeline(config)
    return Profiles(ordinary, {name: pipeline(of) for name, of in profiles.items()}) if profiles else ordinary


def build_routes(config: Config, keys: KeyStore) -> RouteTable[Route]:
    """The route table of a configuration. Routes to the same model learn together how it counts tokens."""
    calibrations: defaultdict[str | None, Calibration] = defaultdict(Calibration)
    return RouteTable(
        [(route.match, _route(route, keys, calibrations[route.model])) for route in config.routes],
        conditions_of(config.routes),
    )


def watched(route: RouteConfig, calibration: Calibration | None = None) -> Watched:
    """What becomes of requests that a route's model cannot serve, and what it can."""
    if route.to == "anthropic":
        return Watched()

    def estimator(profile: "Profile") -> "Estimator":
        from openclaude.adapters.bedrock_converse.estimate import Estimator  # noqa: PLC0415

        return Estimator(profile, route.model or "", calibration)

    ability = Ability(partial(capabilities, route), estimator)
    return Watched(ability, route.when_unsupported or "", route.reroute_safeguards)


def _route(route: RouteConfig, keys: KeyStore, calibration: Calibration) -> Route:
    if route.to == "anthropic":
        fallback = fallback_of(route.fallback, route.spill_at)
        return PassthroughRoute("anthropic", Passthrough(), AnthropicAdapter(), fallback)
    model, region = route.model or "", route.region or ""
    adapter, signing = LateDialect(partial(dialect, route, calibration)), signature(route)
    credentials = keys.for_route(
        profile=route.profile, region=region, origin=signing.origin, variable=route.key_variable
    )
    seen, fallback = watched(route, calibration), fallback_of(route.fallback)
    return SignedRoute(BEDROCK, signing, adapter, credentials, model, route.profile, seen, fallback)


def dialect(route: RouteConfig, calibration: Calibration | None = None) -> Dialect:
    """How a Bedrock route speaks to its model. The translators are loaded here, when a request needs one.

    `calibration` is what is known of the model's token counts; None to begin anew.
    """
    model, region, profile = route.model or "", route.region or "", capabilities(route)
    match profile.via:
        case "messages":
            from openclaude.adapters.bedrock_messages import MessagesAdapter  # noqa: PLC0415

            return MessagesAdapter(
                model_id=model,
                region=region,
                profile=profile,
                endpoint=route.endpoint,
                workspace=route.workspace,
                geo=route.geo,
                calibration=calibration,
            )
        case "invoke":
            from openclaude.adapters.bedrock_invoke import InvokeAdapter  # noqa: PLC0415

            return InvokeAdapter(
                route=BEDROCK,
                model_id=model,
                region=region,
                profile=profile,
                geo=route.geo,
                calibration=calibration,
            )
        case _:
            from openclaude.adapters.bedrock_converse import ConverseAdapter  # noqa: PLC0415

            return ConverseAdapter(
                route=BEDROCK,
                model_id=model,
                region=region,
                profile=profile,
                geo=route.geo,
                calibration=calibration,
            )


def capabilities(route: RouteConfig) -> "Profile":
    """What the model of a Bedrock route can do, with everything the route says of it."""
    return route_capabilities(route)


def signature(route: RouteConfig) -> SignFor:
    """How a Bedrock route signs, and the one origin its requests reach."""
    endpoint, region = _origin(route.endpoint_url) if route.endpoint_url else None, route.region or ""
    if route.via == "messages" and route.endpoint == "mantle":
        return SignFor(region=region, service=MANTLE_SERVICE, endpoint=endpoint or mantle_origin(region))
    if route.is_platform:
        return SignFor(region=region, service=aws.PLATFORM, endpoint=endpoint or platform_origin(region))
    public = bedrock_origin(region, fips=route.fips, dualstack=route.dualstack)
    return SignFor(region=region, endpoint=endpoint or public)


def signed_origins(*configs: Config) -> frozenset[Origin]:
    """Where requests are signed for: the endpoint of each Bedrock route of each set-up."""
    routes = [route for config in configs for route in config.routes if route.to != "anthropic"]
    return frozenset(signature(route).origin for route in routes)


def _origin(url: str) -> Origin:
    """The origin of an endpoint the configuration has checked: https, no path."""
    host, _, port = url.removeprefix("https://").rstrip("/").partition(":")
    return Origin(host, int(port) if port else 443)


def listed_models(config: Config) -> list[tuple[str, str]]:
    """What GET /v1/models shows: slots first, then exact route names, then the client's own defaults."""
    exact = [route.match for route in config.routes if "*" not in route.match and "?" not in route.match]
    table = config.table()
    defaults = [name for name in CLIENT_DEFAULTS.values() if table.decide(name) is not None]
    names = dict.fromkeys([*config.slots.values(), *exact, *defaults])
    return [(name, name) for name in names]
