"""The composition root: a configuration in, a running gateway out. It decides nothing."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openclaude import __version__
from openclaude.adapters import profiles
from openclaude.adapters.anthropic import AnthropicAdapter
from openclaude.adapters.bedrock_converse import ConverseAdapter
from openclaude.config import Config, RouteConfig
from openclaude.credentials.policies import KeyFor, Passthrough, SignFor
from openclaude.credentials.sealed import RouteKey
from openclaude.domain.http import Origin
from openclaude.domain.routes import RouteTable
from openclaude.edge.accesslog import RotatingLog
from openclaude.edge.admission import Door
from openclaude.edge.clock import LoopClock
from openclaude.edge.control import ControlServer
from openclaude.edge.dial import DialMap
from openclaude.edge.listener import Listener
from openclaude.edge.secrets import BotocoreKeys
from openclaude.edge.tls import client_context
from openclaude.edge.upstream import UpstreamTransport
from openclaude.gateway.exchange import Services
from openclaude.gateway.pipeline import Pipeline
from openclaude.gateway.routes import KeyedRoute, PassthroughRoute, Route, SignedRoute

GRACE = 10.0
"""Seconds that answers under way get to finish when the gateway stops."""
BEARER_VARIABLE = "AWS_BEARER_TOKEN_BEDROCK"
CLIENT_DEFAULTS = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-fable-5-2")
"""What Claude Code calls its tiers when nothing is configured (client sheet §4); shown by GET /v1/models."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a gateway is made of, before it runs."""

    config: Config
    listening: socket.socket
    control: socket.socket
    log_file: Path
    base_path: str = field(repr=False)
    identity: str = field(repr=False)
    dial: DialMap = field(default_factory=DialMap)
    ca_file: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    ready: Callable[[], None] | None = None


async def serve(plan: Plan) -> None:
    """Run the gateway until it is told to stop."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    log = RotatingLog(plan.log_file)
    clock = LoopClock()
    started = clock.monotonic()
    port = plan.listening.getsockname()[1]

    def report(error: BaseException) -> None:
        log.event("internal-error", kind=type(error).__name__, where=_where(error))

    transport = UpstreamTransport(tls=client_context(plan.ca_file), dial=plan.dial, report=report)
    services = Services(transport, clock, log)
    with ThreadPoolExecutor(max_workers=4, thread_name_prefix="aws") as executor:
        pipeline = Pipeline(
            build_routes(plan, executor), services, listed_models(plan.config), plan.config.slots
        )
        door = Door(port, plan.base_path.encode(), plan.identity)
        listener = Listener(door, pipeline, report=report)

        def status() -> dict[str, Any]:
            return {
                "pid": os.getpid(),
                "port": port,
                "version": __version__,
                "config": plan.config.text_sha256,
                "uptime": clock.monotonic() - started,
                "in_flight": services.in_flight,
                "served": services.served,
                "connections": listener.connections,
            }

        def stop() -> dict[str, Any]:
            stopping.set()
            return {"stopping": True}

        control = ControlServer({"status": status, "stop": stop})
        await listener.start(plan.listening)
        await control.start(plan.control)
        log.event("started", version=__version__, port=str(port), pid=str(os.getpid()))
        if plan.ready is not None:
            plan.ready()
        await stopping.wait()
        await listener.stop(grace=GRACE)
        control.stop()
        transport.close()
        log.event("stopped", served=str(services.served))
        log.close()


def build_routes(plan: Plan, executor: ThreadPoolExecutor) -> RouteTable[Route]:
    """The route table of a configuration."""
    return RouteTable([(route.match, _route(route, plan, executor)) for route in plan.config.routes])


def _route(route: RouteConfig, plan: Plan, executor: ThreadPoolExecutor) -> Route:
    if route.to == "anthropic":
        return PassthroughRoute("anthropic", Passthrough(), AnthropicAdapter())
    model, region = route.model or "", route.region or ""
    endpoint = _origin(route.endpoint_url) if route.endpoint_url else None
    adapter = ConverseAdapter(
        route="bedrock", model_id=model, region=region, profile=profiles.profile_for(model)
    )
    signing = SignFor(region=region, endpoint=endpoint)
    bearer = plan.env.get(BEARER_VARIABLE)
    if bearer and route.profile is None:
        return KeyedRoute("bedrock", KeyFor(RouteKey(signing.origin, bearer)), adapter, model)
    keys = BotocoreKeys(profile=route.profile, region=region, executor=executor)
    return SignedRoute("bedrock", signing, adapter, keys, model)


def _origin(url: str) -> Origin:
    """The origin of an endpoint the configuration has checked: https, no path."""
    host, _, port = url.removeprefix("https://").rstrip("/").partition(":")
    return Origin(host, int(port) if port else 443)


def listed_models(config: Config) -> list[tuple[str, str]]:
    """What GET /v1/models shows: slots first, then exact route names, then the client's own defaults."""
    exact = [route.match for route in config.routes if "*" not in route.match and "?" not in route.match]
    table = RouteTable([(route.match, route.to) for route in config.routes])
    defaults = [name for name in CLIENT_DEFAULTS if table.decide(name) is not None]
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
