"""Requests to AWS, one at a time: signed, sent, and their clock watched."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Final, Protocol

from openclaude.credentials.policies import KeyFor, SignFor
from openclaude.credentials.sealed import AuthorizedRequest, AwsKeys, RouteKey
from openclaude.domain.aws import BEARER, PLATFORM, PLATFORM_KEY
from openclaude.domain.http import Header, Origin, SafeHeaders, UpstreamRequest
from openclaude.edge.oneshot import Answer

SERIOUS: Final = timedelta(minutes=1)
"""Clocks that agree this well are said to agree; AWS refuses signatures from five minutes on."""

Send = Callable[[AuthorizedRequest, bytes], Answer]
"""Sends one request; `edge.oneshot.OneShot.send`. Raises `UnreachableError`."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to a service. `service` is the name it is signed for."""

    origin: Origin
    service: str
    region: str
    method: str
    target: str
    headers: tuple[Header, ...] = ((b"Accept", b"application/json"),)
    body: bytes = field(default=b"", repr=False)


class Signer(Protocol):
    """Credentials that authorise any request to AWS."""

    def authorize(self, ask: Ask, request: UpstreamRequest, now: datetime) -> AuthorizedRequest:
        """`request`, which says what `ask` says, with its credential sealed in."""


class KeySigner:
    """Signs with AWS keys."""

    def __init__(self, keys: AwsKeys) -> None:
        self._keys = keys

    def authorize(self, ask: Ask, request: UpstreamRequest, now: datetime) -> AuthorizedRequest:
        signing = SignFor(region=ask.region, service=ask.service, endpoint=ask.origin)
        return signing.authorize(request, self._keys, now)


class BearerSigner:
    """Sends the API key an environment has for a service: Bedrock's, or that of Claude Platform on AWS. STS takes none."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    def authorize(self, ask: Ask, request: UpstreamRequest, now: datetime) -> AuthorizedRequest:
        del now
        if ask.service == "sts":
            raise ValueError(f"a Bedrock API key is of no use for {ask.service}")
        if ask.service == PLATFORM:
            key = RouteKey(ask.origin, self._env[PLATFORM_KEY], header="x-api-key")
        else:
            key = RouteKey(ask.origin, self._env[BEARER])
        return KeyFor(key).authorize(request)


class Caller:
    """Sends what is asked, and learns from every answer how wrong this machine's clock is.

    Args:
        send: sends one authorised request.
        wall: seconds since the epoch.

    Attributes:
        skew: AWS's time minus this machine's, as of the last answer with a date; None before.
    """

    def __init__(self, send: Send, wall: Callable[[], float]) -> None:
        self._send = send
        self._wall = wall
        self.skew: timedelta | None = None

    def call(self, signer: Signer, ask: Ask) -> Answer:
        """The answer; a request refused for the clock is sent a second time with AWS's time in it.

        Raises:
            UnreachableError: there is none.
        """
        request = UpstreamRequest(
            method=ask.method.encode(),
            target=ask.target.encode("ascii"),
            headers=SafeHeaders(ask.headers),
            content_length=len(ask.body),
            body_sha256=sha256(ask.body).hexdigest(),
        )
        used = self._correction()
        answer = self._send(signer.authorize(ask, request, self._now() + used), ask.body)
        self._learn(answer)
        if answer.status in (400, 403) and not used and self._correction():
            answer = self._send(signer.authorize(ask, request, self._now() + self._correction()), ask.body)
        return answer

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._wall(), UTC)

    def _correction(self) -> timedelta:
        return self.skew if self.skew is not None and abs(self.skew) > SERIOUS else timedelta()

    def _learn(self, answer: Answer) -> None:
        try:
            theirs = parsedate_to_datetime(answer.header("date"))
        except ValueError:
            return
        self.skew = theirs - self._now()
