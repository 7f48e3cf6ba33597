"""What a request gets whose model is written so, found out once for each way to write a name.

What is known belongs to one route table: a new configuration begins with a table of its own and with nothing known.
"""

import re
from collections.abc import Mapping
from typing import Final

from openclaude.domain.models import normalise
from openclaude.domain.routes import Decision
from openclaude.gateway.breaker import CONNECTIONS
from openclaude.gateway.deciding import Decider
from openclaude.gateway.exchange import Services, marks
from openclaude.gateway.health import Health
from openclaude.gateway.routes import PassthroughRoute, Route, Routes, SignedRoute

_TIER: Final = re.compile(r"claude-(opus|sonnet|haiku|fable)\b")
_MOST: Final = 1024
_LONGEST: Final = 200
"""Of a name that is remembered, and of what the log shows of one."""


class Relay:
    """Where a request goes whose bytes are passed on as they are, whatever else stands in it.

    Attributes:
        route: the route; it has no fallback.
        health: how its origin is doing.
        marks: the headers of every answer.
    """

    __slots__ = ("health", "marks", "reason", "route")

    def __init__(self, services: Services, route: PassthroughRoute, name: str, reason: str) -> None:
        self.route = route
        self.reason = reason
        self.health: Health = services.health_of(route.origin, "", CONNECTIONS)
        self.marks = marks(route.name, name, reason)


class Signed:
    """Where a request for a message goes that is translated, whatever else stands in it.

    Attributes:
        route: the route; it has no fallback, and sends no request elsewhere.
        model: the name the request has there.
        health: how its model is doing.
        marks: the headers of every answer.
    """

    __slots__ = ("health", "marks", "model", "reason", "route")

    def __init__(self, services: Services, route: SignedRoute, model: str, reason: str) -> None:
        self.route = route
        self.model = model
        self.reason = reason
        self.health = services.health_of(route.origin, route.upstream_model)
        self.marks = marks(route.name, route.upstream_model, reason)


class Way:
    """What a model's name decides, as the client writes it.

    Attributes:
        name: the name.
        shown: as much of it as the log holds.
        slot: the slot it belongs to, empty for none.
        decision: its route; None without one, and where the request's kind has a say.
        final: whether nothing else has a say.
        relay, signed: the short way, for most requests of a session; None where the long one has to be gone.
    """

    __slots__ = ("decision", "final", "name", "relay", "shown", "signed", "slot")

    def __init__(
        self,
        name: str,
        slot: str,
        decision: Decision[Route] | None,
        short: Relay | Signed | None,
        *,
        final: bool,
    ) -> None:
        self.name = name
        self.shown = name[:_LONGEST]
        self.slot = slot
        self.decision = decision
        self.final = final
        self.relay = short if isinstance(short, Relay) else None
        self.signed = short if isinstance(short, Signed) else None


class Ways(dict[str, Way]):
    """The ways of requests of sub-agents, or of all others, by the model's name as the client writes it."""

    def __init__(self, routing: "Routing", *, agent: bool) -> None:
        self._routing = routing
        self._agent = agent

    def __missing__(self, name: str) -> Way:
        way = self._routing.way_of(name, agent=self._agent)
        if way.decision is not None and len(name) <= _LONGEST and len(self) < _MOST:
            self[name] = way
        return way


class Routing:
    """Where requests go.

    Args:
        table: decides by name and by who asks.
        decider: decides by everything, once the body is at hand.
        slots: model name → slot.
        services: knows how providers are doing.

    Attributes:
        conditional: whether it matters that a sub-agent asks.
        ways: what a name decides, for every request, or for those of no sub-agent.
        of_agents: the same for sub-agents.
    """

    def __init__(
        self, table: Routes, decider: Decider[Route], slots: Mapping[str, str], services: Services
    ) -> None:
        self.table = table
        self.decider = decider
        self._slots = slots
        self._services = services
        self.conditional = table.conditional
        self.ways = Ways(self, agent=False)
        self.of_agents = Ways(self, agent=True)

    def slot_of(self, model: str) -> str:
        """The slot a model name belongs to: the configured one, else the tier in a Claude name, else nothing."""
        tier = _TIER.match(model)
        return self._slots.get(model) or (tier[1] if tier is not None else "")

    def way_of(self, name: str, *, agent: bool) -> Way:
        """What a name decides; `ways` and `of_agents` remember it."""
        slot = self.slot_of(normalise(name))
        if self.table.waits_for_kind(name, agent=agent):
            return Way(name, slot, None, None, final=False)
        decision = self.table.decide(name, agent=agent)
        if decision is None:
            return Way(name, slot, None, None, final=True)
        route = decision.route
        if isinstance(route, SignedRoute):
            final = route.watched is None or not route.watched.elsewhere
            ends_here = final and route.fallback is None
            signed = Signed(self._services, route, decision.name, decision.reason) if ends_here else None
            return Way(name, slot, decision, signed, final=final)
        straight = route.fallback is None and decision.name == name
        relay = Relay(self._services, route, name, decision.reason) if straight else None
        return Way(name, slot, decision, relay, final=True)
