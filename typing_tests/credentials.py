"""What must be a type error. mypy runs over this file; an ignore that is no longer needed turns the check red."""

from datetime import UTC, datetime

from openclaude.credentials.policies import KeyFor, Passthrough, SignFor
from openclaude.credentials.sealed import AuthorizedRequest, AwsKeys, ClientCredential, RouteKey
from openclaude.domain.http import Origin, SafeHeaders, UpstreamRequest
from openclaude.edge.upstream import UpstreamTransport
from openclaude.ports import Receiver


def a_login_is_for_passthrough_alone(
    request: UpstreamRequest, login: ClientCredential, keys: AwsKeys, key: RouteKey
) -> None:
    Passthrough().authorize(request, login)
    KeyFor(key).authorize(request)
    SignFor(region="us-west-2").authorize(request, keys, datetime.now(UTC))

    KeyFor(key).authorize(request, login)  # type: ignore[call-arg]
    KeyFor(login)  # type: ignore[arg-type]
    SignFor(region="us-west-2").authorize(request, login, datetime.now(UTC))  # type: ignore[arg-type]
    Passthrough().authorize(request, keys)  # type: ignore[arg-type]
    Passthrough().authorize(request, key)  # type: ignore[arg-type]


def passthrough_has_one_origin() -> None:
    Passthrough(Origin("elsewhere.example"))  # type: ignore[call-arg]
    Passthrough.ORIGIN.host = "elsewhere.example"  # type: ignore[misc]


def only_an_authorised_request_can_be_sent(
    transport: UpstreamTransport, request: UpstreamRequest, authorized: AuthorizedRequest, receiver: Receiver
) -> None:
    transport.send(authorized, (), receiver)
    transport.send(request, (), receiver)  # type: ignore[arg-type]


def a_handle_has_no_value(login: ClientCredential, keys: AwsKeys, key: RouteKey) -> None:
    login.header
    login.value  # type: ignore[attr-defined]
    keys.secret_key  # type: ignore[attr-defined]
    key.key  # type: ignore[attr-defined]


def headers_are_not_a_plain_list(request: UpstreamRequest) -> None:
    UpstreamRequest(b"POST", b"/", [(b"authorization", b"x")], 0)  # type: ignore[arg-type]
    request.headers = SafeHeaders()  # type: ignore[misc]
