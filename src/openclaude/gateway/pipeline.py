"""The gateway's request handler: what is answered here is answered, everything else goes through an Intake."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from openclaude.credentials.sealed import ClientCredential
from openclaude.domain.http import Endpoint, InboundRequest
from openclaude.gateway.deciding import Decider
from openclaude.gateway.exchange import LOCAL, Answer, Services
from openclaude.gateway.intake import Intake
from openclaude.gateway.routes import Routes, watched
from openclaude.gateway.ways import Routing
from openclaude.ports import Begun, ClientSide


class Pipeline:
    """The gateway's request handler.

    Args:
        routes: the route table.
        services: transport, clock and log.
        listed_models: what GET /v1/models shows: (id, display name), in order.
        slots: slot → the model name it has on the wire.
    """

    def __init__(
        self,
        routes: Routes,
        services: Services,
        listed_models: Sequence[tuple[str, str]],
        slots: Mapping[str, str],
    ) -> None:
        self.services = services
        by_model = {model: slot for slot, model in slots.items()}
        self.routing = Routing(routes, Decider(routes, watched), by_model, services)
        self._models = _models_body(listed_models, services.clock.now())

    def routing_of(self, profile: str) -> Routing | None:
        """Where requests of a profile go. Here there is one set-up, for every one."""
        del profile
        return self.routing

    def begin(
        self,
        request: InboundRequest,
        credential: ClientCredential | None,
        client: ClientSide,
    ) -> Begun:
        """Start an exchange for one request."""
        answer = Answer(self.services, request, client)
        endpoint = request.endpoint
        if endpoint is Endpoint.MESSAGES or endpoint is Endpoint.COUNT_TOKENS:
            return Intake(self.routing, answer, credential)
        return Local(answer, b"{}" if endpoint is Endpoint.HELLO else self._models)


def _models_body(listed: Sequence[tuple[str, str]], created: datetime) -> bytes:
    stamp = created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    data = [
        {"type": "model", "id": name, "display_name": shown, "created_at": stamp} for name, shown in listed
    ]
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return json.dumps({"data": data, "has_more": False, "first_id": first, "last_id": last}).encode()


class Local:
    """A request that is answered from here."""

    def __init__(self, answer: Answer, body: bytes) -> None:
        self._answer = answer
        self._body = body

    def body(self, data: bytes) -> None:
        """A body means nothing to these endpoints."""

    def whole(self, data: bytes, start: int) -> None:
        del data, start
        self.body_complete()

    def body_complete(self) -> None:
        self._answer.told(LOCAL, "", "")
        self._answer.whole(200, self._body)

    def client_left(self) -> None:
        self._answer.close("client_left")

    def client_full(self) -> None:
        """The answer is one small write."""

    def client_drained(self) -> None:
        """The answer is one small write."""
