"""An exchange for one route: what the client sent so far, under the name that route's model has."""

from typing import Final

from openclaude.credentials.sealed import ClientCredential
from openclaude.domain.errors import invalid_request
from openclaude.domain.http import Endpoint
from openclaude.domain.messages import ModelField, NoModelError, find_model, model_of, with_model
from openclaude.domain.models import normalise
from openclaude.domain.routes import Decision
from openclaude.gateway.breaker import CONNECTIONS
from openclaude.gateway.counting import CountExchange
from openclaude.gateway.exchange import Answer, Services
from openclaude.gateway.passthrough import PassthroughExchange
from openclaude.gateway.routes import PassthroughRoute, Route
from openclaude.gateway.translated import TranslatedExchange
from openclaude.ports import Exchange

_PROBE: Final = "openclaude-probe"


def opened(
    services: Services,
    answer: Answer,
    credential: ClientCredential | None,
    decision: Decision[Route],
    held: bytes,
    field: ModelField,
    length: int,
) -> Exchange:
    """Begin an exchange with the route of a decision.

    What follows `held` is given to the exchange's `body`, and `body_complete` in any case.

    Args:
        services: transport, clock and log.
        answer: the client's end; its record and its headers are told who answers, and why.
        credential: the client's login. Only a route to Anthropic has a use for it.
        decision: the route, and the name the request has there.
        held: the first bytes of the client's own body, or all of it.
        field: the model it asks for, and where that stands in `held`.
        length: bytes of the whole body.
    """
    route, name = decision.route, decision.name
    model = name if isinstance(route, PassthroughRoute) else route.upstream_model
    answer.told(route.name, model, decision.reason)
    if name != field.name and (decision.moved or isinstance(route, PassthroughRoute)):
        renamed = with_model(held, field, name)
        length += len(renamed) - len(held)
        held = renamed
    if isinstance(route, PassthroughRoute):
        health = services.health_of(route.origin, "", CONNECTIONS)
        return PassthroughExchange(answer, route, health, credential, held, length)
    kind = CountExchange if answer.request.endpoint is Endpoint.COUNT_TOKENS else TranslatedExchange
    exchange = kind(services, answer, route, name)
    exchange.body(held)
    return exchange


def exact_model(body: bytes, field: ModelField) -> ModelField:
    """Where the model stands that counts, in a body that is to have another one.

    Raises:
        ApiError: 400 for a body that is no JSON, or names two models: it would not be known which one is meant.
    """
    try:
        name = model_of(body)
    except NoModelError as error:
        raise invalid_request(f"openClaude: {error}") from None
    if normalise(name) != normalise(field.name):
        raise invalid_request("openClaude: the body names two different models")
    # To find a place means to look at every token, in Python; to see that a known place is the one that counts does not.
    return field if model_of(with_model(body, field, _PROBE)) == _PROBE else find_model(body)
