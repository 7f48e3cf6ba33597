"""The three ways a request can be authorised. Each names the one origin its credential can reach.

The origin is a constant, or comes from configuration; it is never taken from a request.
"""

from datetime import datetime
from typing import ClassVar, Final

from openclaude.credentials import _vault
from openclaude.credentials.sealed import (
    AuthorizedRequest,
    AwsKeys,
    ClientCredential,
    RouteKey,
    SealedLines,
    _KeyMaterial,
)
from openclaude.domain import aws
from openclaude.domain.http import Origin, UpstreamRequest
from openclaude.wire import sigv4

ANTHROPIC: Final = Origin("api.anthropic.com")
MANTLE_SERVICE: Final = "bedrock-mantle"
"""What the Messages endpoint of Bedrock is signed for; the runtime signs as `bedrock`."""


class Passthrough:
    """The client's own login, to the Anthropic API and nowhere else."""

    ORIGIN: ClassVar[Origin] = ANTHROPIC

    def authorize(self, request: UpstreamRequest, client: ClientCredential) -> AuthorizedRequest:
        return AuthorizedRequest(ANTHROPIC, request, "client-login", client)


class KeyFor:
    """A static key, to the origin it was bound to when it was read. There is no parameter for a login."""

    def __init__(self, key: RouteKey) -> None:
        self._key = key

    @property
    def origin(self) -> Origin:
        return self._key.origin

    def authorize(self, request: UpstreamRequest) -> AuthorizedRequest:
        return AuthorizedRequest(self._key.origin, request, "route-key", self._key)


class SignFor:
    """AWS Signature Version 4, to one regional endpoint. There is no parameter for a login.

    Args:
        region: the region that signs; it also computes the origin when no endpoint is configured.
        service: the signing name; Bedrock's runtime signs as `bedrock`.
        endpoint: a configured endpoint (a VPC endpoint), or None for the region's public one.
    """

    def __init__(self, *, region: str, service: str = "bedrock", endpoint: Origin | None = None) -> None:
        self.region = region
        self.service = service
        self.origin = endpoint or bedrock_origin(region)
        self._scope = sigv4.Scope(region, service, self.origin.authority)

    def authorize(self, request: UpstreamRequest, keys: AwsKeys, now: datetime) -> AuthorizedRequest:
        """Sign the request as it will be sent. `now` is an aware time in UTC."""
        material = _vault.get(keys, _KeyMaterial)
        lines = sigv4.sign(self._scope, request, material, now)
        return AuthorizedRequest(self.origin, request, "aws-signature", SealedLines(lines))


def bedrock_origin(region: str, *, fips: bool = False, dualstack: bool = False) -> Origin:
    """The public Bedrock runtime endpoint of a region."""
    return Origin(aws.host("bedrock-runtime", region, fips=fips, dualstack=dualstack))


def platform_origin(region: str) -> Origin:
    """Claude Platform on AWS in a region; its only host is a dual-stack one."""
    return Origin(aws.host(aws.PLATFORM, region, dualstack=True))


def mantle_origin(region: str) -> Origin:
    """Bedrock's Messages endpoint in a region; its only host is a dual-stack one."""
    return Origin(aws.host("bedrock-mantle", region, dualstack=True))
