"""Several set-ups on one gateway: each profile is a pipeline with routes of its own."""

from collections.abc import Mapping

from openclaude.credentials.sealed import ClientCredential
from openclaude.domain.errors import ApiError
from openclaude.domain.http import InboundRequest
from openclaude.gateway.exchange import Answer
from openclaude.gateway.pipeline import Local, Pipeline
from openclaude.gateway.ways import Routing
from openclaude.ports import Begun, ClientSide


class Profiles:
    """A handler that hands each request to its profile's pipeline.

    Args:
        ordinary: for requests that name no profile.
        named: by the name in the request's path.
    """

    def __init__(self, ordinary: Pipeline, named: Mapping[str, Pipeline]) -> None:
        self._ordinary = ordinary
        self._named = dict(named)

    def routing_of(self, profile: str) -> Routing | None:
        """Where requests of a profile go; None for one that is not there."""
        pipeline = self._named.get(profile) if profile else self._ordinary
        return None if pipeline is None else pipeline.routing

    def begin(
        self, request: InboundRequest, credential: ClientCredential | None, client: ClientSide
    ) -> Begun:
        """Start an exchange for one request."""
        if not request.profile:
            return self._ordinary.begin(request, credential, client)
        pipeline = self._named.get(request.profile)
        if pipeline is None:
            return _Unknown(Answer(self._ordinary.services, request, client), b"")
        return pipeline.begin(request, credential, client)


class _Unknown(Local):
    """Answers for a profile that is not there: its file is gone or broken, or newer than the gateway."""

    def body_complete(self) -> None:
        name = self._answer.request.profile
        self._answer.refuse(
            ApiError(
                404,
                "not_found_error",
                f"openClaude: this gateway has no profile `{name}`. hint: `openclaude --profile {name}` says what is "
                "wrong with it; `openclaude reload` takes a new one over",
            )
        )
