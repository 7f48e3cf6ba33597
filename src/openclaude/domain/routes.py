"""Which route takes a request. First match wins; names are matched after normalisation.

A route may have a condition beside its pattern: who asks (a sub-agent or not) and what kind of request it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Generic, NamedTuple, TypeVar

from openclaude.domain import models
from openclaude.domain.kinds import Kind

RouteT = TypeVar("RouteT")
_REMEMBERED: Final = 1024
MATCH: Final = "match"
"""The reason of a decision that the name alone made."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a route asks of a request beside its model. None: nothing.

    Attributes:
        agent: whether a sub-agent has to have sent it.
        kinds: the kinds it may be of.
    """

    agent: bool | None = None
    kinds: frozenset[Kind] | None = None

    def __bool__(self) -> bool:
        return self.agent is not None or self.kinds is not None

    def holds(self, *, agent: bool, kind: Kind) -> bool:
        """Whether a request of a kind, by an agent or not, fulfils it."""
        return (self.agent is None or self.agent is agent) and (self.kinds is None or kind in self.kinds)

    def covers(self, other: "Condition") -> bool:
        """Whether every request that fulfils the other one fulfils this one."""
        agents = self.agent is None or self.agent is other.agent
        return agents and (self.kinds is None or (other.kinds is not None and other.kinds <= self.kinds))

    def reason(self, kind: Kind) -> str:
        """Why a request of a kind was taken, as the client and the log are told."""
        words = [] if self.agent is None else ["agent" if self.agent else "no agent"]
        words += [] if self.kinds is None else [f"kind {kind.value}"]
        return f"{MATCH}: {', '.join(words)}" if words else MATCH


ANY: Final = Condition()
"""What every request fulfils."""


class Decision(NamedTuple, Generic[RouteT]):
    """Where a request goes.

    Attributes:
        route: the route.
        name: the name it is routed under.
        renamed: whether that name differs from the client's.
        reason: why, as the client and the log are told.
        moved: whether this is another route than the one that the client's name stands for.
    """

    route: RouteT
    name: str
    renamed: bool
    reason: str = MATCH
    moved: bool = False


class RouteTable(Generic[RouteT]):
    """Patterns and their routes, in the order of the configuration.

    The entries carry their credential policy and their adapter (gateway/routes.py names the closed union).

    Args:
        entries: patterns and routes.
        conditions: by the place of an entry; the others take every request.
    """

    def __init__(
        self,
        entries: Sequence[tuple[str, RouteT]],
        conditions: Mapping[int, Condition] = MappingProxyType({}),
    ) -> None:
        self._entries = tuple(entries)
        self._conditions = tuple(conditions.get(place) or ANY for place in range(len(self._entries)))
        self._known: dict[str, tuple[tuple[Condition, RouteT], ...]] = {}
        self.conditional = any(self._conditions)

    def __iter__(self) -> Iterator[tuple[str, RouteT]]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def patterns(self) -> tuple[str, ...]:
        return tuple(pattern for pattern, _ in self._entries)

    def decide(self, asked: str, *, agent: bool = False, kind: Kind = Kind.MAIN) -> Decision[RouteT] | None:
        """The first route whose pattern matches the normalised name and whose condition holds, or None.

        Without `agent` and `kind`: the route of a session's own turns.
        """
        name = models.normalise(asked)
        for condition, route in self._candidates(name):
            if condition is ANY:
                return Decision(route, name, name != asked)
            if condition.holds(agent=agent, kind=kind):
                return Decision(route, name, name != asked, condition.reason(kind))
        return None

    def waits_for_kind(self, asked: str, *, agent: bool) -> bool:
        """Whether the kind of a request has a say in which route takes it."""
        if not self.conditional:
            return False
        for condition, _ in self._candidates(models.normalise(asked)):
            if condition.agent is None or condition.agent is agent:
                return condition.kinds is not None
        return False

    def _candidates(self, name: str) -> tuple[tuple[Condition, RouteT], ...]:
        """The entries that may take a name, up to the first that takes it whatever else a request is."""
        found = self._known.get(name)
        if found is None:
            found = tuple(self._matching(name))
            if found and len(self._known) < _REMEMBERED:
                self._known[name] = found
        return found

    def _matching(self, name: str) -> Iterator[tuple[Condition, RouteT]]:
        for (pattern, route), condition in zip(self._entries, self._conditions, strict=True):
            if models.matches(pattern, name):
                yield condition, route
                if condition is ANY:
                    return
