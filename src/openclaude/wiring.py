"""The composition root: a configuration in, a running gateway out. It decides nothing."""

import asyncio
import os
import signal
import socket
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openclaude import __version__
from openclaude.adapters.anthropic import AnthropicAdapter
from openclaude.adapters.calibration import Calibration
from openclaude.config import Config, RouteConfig, digest
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
from openclaude.edge.accesslog import RotatingLog
from openclaude.edge.awskeys import KeyStore
from openclaude.edge.clock import LoopClock
from openclaude.edge.connection import Report
from openclaude.edge.control import Answer, ControlServer, Operation
from openclaude.edge.dial import DialMap
from openclaude.edge.doors import Doors, Keys
from openclaude.edge.egress import EgressWall
from openclaude.edge.sessions import Sessions, is_aws_s
from openclaude.edge.tls import Loopback, Pair, trusting
from openclaude.edge.upstream import UpstreamTransport
from openclaude.edge.worker import ThreadWorker
from openclaude.gateway.exchange import Services
from openclaude.gateway.late import LateDialect
from openclaude.gateway.pipeline import Pipeline
from openclaude.gateway.profiles import Profiles
from openclaude.gateway.routes import PassthroughRoute, Route, SignedRoute
from openclaude.ports import Dialect, Handler, Worker

if TYPE_CHECKING:
    from openclaude.adapters.profiles import Profile

GRACE = 10.0
"""Seconds that answers under way get to finish when the gateway stops."""
BEDROCK = "bedrock"
"""What every Bedrock route is called in the log and in the signature of unsigned reasoning."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a gateway is made of, before it runs. `sockets` and `certificates` are as in `edge.doors` and `edge.tls`.

    `opened` are the doors that are open from the start, besides mutual TLS.
    """

    config: Config
    sockets: Mapping[str, socket.socket]
    certificates: Callable[[], Sequence[Pair]]
    control: socket.socket
    log_file: Path
    base_path: str = field(repr=False)
    identity: str = field(repr=False)
    dial: DialMap = field(default_factory=DialMap)
    ca_file: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    ready: Callable[[], None] | None = None
    worker: Callable[[Report], Worker] = ThreadWorker
    opened: Sequence[str] = ()
    profiles: Mapping[str, Config] = field(default_factory=dict)


async def serve(plan: Plan) -> None:
    """Run the gateway until it is told to stop."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    log = RotatingLog(plan.log_file)
    clock = LoopClock()
    port = plan.sockets["mutual"].getsockname()[1]

    def report(error: BaseException) -> None:
        log.event("internal-error", kind=type(error).__name__, where=_where(error))

    def stopped(origin: Origin, credential: str, found: str) -> None:
        log.event("egress-stopped", origin=str(origin), credential=credential, found=found)

    for secret in (plan.base_path, plan.identity):
        KNOWN.remember(secret.encode(), GATEWAY)
    wall = EgressWall(signed_origins(plan.config, *plan.profiles.values()), stopped=stopped)
    transport = UpstreamTransport(tls=trusting(plan.ca_file), dial=plan.dial, report=report, wall=wall)
    sessions = Sessions(base=_without_aws(plan.env), own=plan.env)
    worker = plan.worker(report)
    services = Services(transport, clock, log, worker)
    store = KeyStore(sessions, wall=time.time)
    handler = build_handler(plan.config, plan.profiles, services, store)
    keys = Keys(plan.base_path.encode(), plan.identity, sessions.tokens)
    doors = Doors(plan.sockets, Loopback(plan.certificates, time.time), keys, handler, report)
    facts = {
        "pid": os.getpid(),
        "port": port,
        "version": __version__,
        "config": digest(plan.config, plan.profiles),
    }
    operations = _operations(facts, services, doors, sessions, stopping, wall)
    operations["credentials"] = lambda _: Answer({"credentials": store.held()})
    control = ControlServer(operations)
    await doors.start()
    for door in plan.opened:
        doors.open(door)
    await control.start(plan.control)
    memory.settle()
    log.event("started", version=__version__, port=str(port), pid=str(os.getpid()))
    for route in plan.config.routes:
        if route.endpoint_url is not None:
            log.event("endpoint", route=route.match, origin=route.endpoint_url)
    if plan.ready is not None:
        plan.ready()
    await stopping.wait()
    control.stop()  # first: a launcher that comes now waits for the end and starts the next gateway
    await doors.stop(grace=GRACE)
    transport.close()
    worker.close()
    store.close()
    log.event("stopped", served=str(services.served))
    log.close()


def _operations(
    facts: Mapping[str, Any],
    services: Services,
    doors: Doors,
    sessions: Sessions,
    stopping: asyncio.Event,
    wall: EgressWall,
) -> dict[str, Operation]:
    """What the control socket can be asked."""
    started = services.clock.monotonic()

    def status(_: Mapping[str, Any]) -> Answer:
        counts = {
            "uptime": services.clock.monotonic() - started,
            "in_flight": services.in_flight,
            "served": services.served,
            "connections": doors.connections,
            "sessions": len(sessions),
            "egress_stopped": wall.count,
        }
        return Answer({**facts, **counts})

    def stop(_: Mapping[str, Any]) -> Answer:
        stopping.set()
        return Answer({"stopping": True})

    def session(request: Mapping[str, Any]) -> Answer:
        variables = request.get("aws")
        name = sessions.register(variables) if isinstance(variables, dict) else ""
        token = sessions.grant() if request.get("token") else ""

        def over() -> None:
            sessions.forget(name)
            sessions.revoke(token)

        return Answer({"session": name, "token": token}, on_close=None if request.get("keep") else over)

    def open_door(request: Mapping[str, Any]) -> Answer:
        return Answer({"port": doors.open(str(request.get("door")))})

    def certificates(_: Mapping[str, Any]) -> Answer:
        doors.refresh()
        return Answer({"refreshed": True})

    return {
        "status": status,
        "stop": stop,
        "session": session,
        "open": open_door,
        "certificates": certificates,
    }


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
        [(route.match, _route(route, keys, calibrations[route.model])) for route in config.routes]
    )


def _route(route: RouteConfig, keys: KeyStore, calibration: Calibration) -> Route:
    if route.to == "anthropic":
        return PassthroughRoute("anthropic", Passthrough(), AnthropicAdapter())
    model, region = route.model or "", route.region or ""
    adapter, signing = LateDialect(partial(dialect, route, calibration)), signature(route)
    credentials = keys.for_route(
        profile=route.profile, region=region, origin=signing.origin, variable=route.key_variable
    )
    return SignedRoute(BEDROCK, signing, adapter, credentials, model, route.profile)


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
    table = RouteTable([(route.match, route.to) for route in config.routes])
    defaults = [name for name in CLIENT_DEFAULTS.values() if table.decide(name) is not None]
    names = dict.fromkeys([*config.slots.values(), *exact, *defaults])
    return [(name, name) for name in names]


def _where(error: BaseException) -> str:
    """The innermost frame of an exception: a file of ours and a line, never its message, which may quote data."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    if frame is None:
        return "?"
    return f"{Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}"
