"""Which route takes a model. First match wins; names are matched after normalisation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from openclaude.domain import models

RouteT = TypeVar("RouteT")


@dataclass(frozen=True, slots=True)
class Decision(Generic[RouteT]):
    """The route for a request, the name it is routed under, and whether that name differs from the client's."""

    route: RouteT
    name: str
    renamed: bool


class RouteTable(Generic[RouteT]):
    """Patterns and their routes, in the order of the configuration.

    The entries carry their credential policy and their adapter (gateway/routes.py names the closed union).
    """

    def __init__(self, entries: Sequence[tuple[str, RouteT]]) -> None:
        self._entries = tuple(entries)
        self._known: dict[str, RouteT] = {}

    def __iter__(self) -> Iterator[tuple[str, RouteT]]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def patterns(self) -> tuple[str, ...]:
        return tuple(pattern for pattern, _ in self._entries)

    def decide(self, asked: str) -> Decision[RouteT] | None:
        """The first route whose pattern matches the normalised name, or None."""
        name = models.normalise(asked)
        route = self._known.get(name)
        if route is None:
            route = next((found for pattern, found in self._entries if models.matches(pattern, name)), None)
            if route is None:
                return None
            if len(self._known) < 1024:
                self._known[name] = route
        return Decision(route, name, name != asked)
