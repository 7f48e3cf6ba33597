"""The closed union of routes. Each carries its policy and its adapter, so a wrong pair cannot be written down.

There is no route that holds `Passthrough` and a Bedrock adapter, and no policy but `Passthrough` has a parameter
for the client's login.
"""

from dataclasses import dataclass

from openclaude.adapters.anthropic import AnthropicAdapter
from openclaude.credentials.policies import Passthrough, SignFor
from openclaude.domain.http import Origin
from openclaude.domain.routes import RouteTable
from openclaude.gateway.deciding import Watched
from openclaude.ports import Dialect, SigningKeys


@dataclass(frozen=True, slots=True)
class Fallback:
    """Where a route's requests are tried that it cannot serve now: model names, in this order.

    `spill_at` is how full a window of the plan may be, 0 to 1, before they are tried first; None for a full one.
    """

    names: tuple[str, ...]
    spill_at: float | None = None


@dataclass(frozen=True, slots=True)
class PassthroughRoute:
    """The client's own login, byte for byte, to the Anthropic API."""

    name: str
    policy: Passthrough
    adapter: AnthropicAdapter
    fallback: Fallback | None = None

    @property
    def origin(self) -> Origin:
        return self.policy.ORIGIN


@dataclass(frozen=True, slots=True)
class SignedRoute:
    """AWS credentials, to one regional endpoint: keys that sign, or an API key that is bound to that endpoint.

    `profile` is the AWS profile they come from, for messages; None for AWS's default chain. `watched` says what the
    model can do and where other requests go; None where nobody asks.
    """

    name: str
    policy: SignFor
    adapter: Dialect
    keys: SigningKeys
    upstream_model: str
    profile: str | None = None
    watched: Watched | None = None
    fallback: Fallback | None = None

    @property
    def origin(self) -> Origin:
        return self.policy.origin


def fallback_of(names: tuple[str, ...], spill_at: float | None = None) -> Fallback | None:
    """A fallback to these models; None to none."""
    return Fallback(names, spill_at) if names else None


Route = PassthroughRoute | SignedRoute
Routes = RouteTable[Route]
_CAN_ALL = Watched()


def watched(route: Route) -> Watched:
    """What a route says of requests that its model cannot serve."""
    return route.watched or _CAN_ALL if isinstance(route, SignedRoute) else _CAN_ALL
