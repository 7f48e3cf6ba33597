"""A translated request on its way to its provider: made, authorised, sent, and let go of."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from openclaude.credentials.policies import KeyFor
from openclaude.credentials.sealed import AuthorizedRequest, RouteKey
from openclaude.domain.errors import ApiError
from openclaude.gateway.exchange import Answer, Services
from openclaude.gateway.health import Health
from openclaude.gateway.refusals import Outgoing
from openclaude.gateway.routes import SignedRoute
from openclaude.gateway.whole import BodyAtHand, WholeAnswer
from openclaude.ports import Credential, ProviderCall, StreamDecoder

T = TypeVar("T")


class Sending(BodyAtHand, ABC):
    """The half of an exchange that knows nothing of the answer.

    What most requests never change, or not before late, is an attribute of the class until then.
    """

    _ready: Outgoing | None = None
    _decoder: StreamDecoder | None = None
    _credential: Credential | None = None
    _whole: WholeAnswer | None = None
    """Of the request that was sent last, once its head has come and has no stream behind it."""

    def __init__(
        self,
        services: Services,
        answer: Answer,
        route: SignedRoute,
        model: str,
        health: Health | None = None,
    ) -> None:
        self._services = services
        self._answer = answer
        self._route = route
        self._model = model
        self._health = health or services.health_of(route.origin, route.upstream_model)
        self._pieces: list[bytes] = []

    @abstractmethod
    def _send(self, authorized: AuthorizedRequest, call: ProviderCall) -> None:
        """Send a call's request, and wait for the answer."""

    @abstractmethod
    def _refuse(self, error: ApiError) -> None:
        """The request ends with an error."""

    def _apart(self, size: int, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """Do work on `size` bytes, elsewhere if that takes long; what it raises is the request's answer."""
        self._services.apart(size, work, partial(self._done, then))

    def _done(self, then: Callable[[T], None], outcome: Callable[[], T]) -> None:
        if self._answer.over:
            return
        try:
            result = outcome()
        except ApiError as error:
            self._refuse(error)
        else:
            then(result)

    def _dispatch(self, ready: Outgoing) -> None:
        """Authorise and send a translated request, for the first time or again."""
        self._ready = ready
        if self._whole is not None:
            self._whole = None
        keys, session = self._route.keys, self._answer.request.session
        credential = keys.at_hand(session)
        if credential is not None:
            self._sign(ready, credential)
        else:
            keys.fetch(session, partial(self._sign, ready))

    def _sign(self, ready: Outgoing, credential: Credential | ApiError) -> None:
        if self._answer.over:
            return
        if isinstance(credential, ApiError):
            self._refuse(credential)
            return
        self._credential = credential
        if isinstance(credential, RouteKey):
            self._answer.record.credential = "bedrock key"
            self._send(KeyFor(credential).authorize(ready.request), ready.call)
            return
        self._answer.record.credential = credential.named
        services, policy = self._services, self._route.policy
        now = services.clock.now()
        if services.skews:
            now += services.skew_of(policy.origin)
        self._send(policy.authorize(ready.request, credential, now), ready.call)

    def _expect_ready(self) -> Outgoing:
        if self._ready is None:
            raise RuntimeError("a provider answered a request that was never translated")
        return self._ready

    def _expect_call(self) -> ProviderCall:
        return self._expect_ready().call
