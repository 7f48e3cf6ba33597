import json

from fakes.client import FakeClient
from openclaude.credentials.policies import ANTHROPIC
from openclaude.credentials.sealed import ClientCredential
from openclaude.domain.http import Endpoint, InboundRequest, SafeHeaders
from openclaude.domain.routes import RouteTable
from openclaude.gateway.pipeline import Pipeline
from openclaude.gateway.profiles import Profiles
from support.gateway import Gateway

BODY = {"model": "claude-opus-5-5", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]}


def ask(gateway: Gateway, profile: str) -> FakeClient:
    """Ask for a Claude model of a profile; the profile `other` has no route for it."""
    other = Pipeline(RouteTable([]), gateway.services, [], {})
    raw = json.dumps(BODY).encode()
    client = FakeClient()
    request = InboundRequest(
        "req_oc_test", Endpoint.MESSAGES, b"", SafeHeaders(()), len(raw), profile=profile
    )
    credential = ClientCredential([(b"Authorization", b"Bearer login")])
    exchange = Profiles(gateway.pipeline, {"other": other, "work": gateway.pipeline}).begin(
        request, credential, client
    )
    exchange.body(raw)
    exchange.body_complete()
    return client


def test_a_request_takes_the_routes_of_its_profile() -> None:
    gateway = Gateway()
    ask(gateway, "")
    ask(gateway, "work")
    assert [call.authorized.origin for call in gateway.transport.calls] == [ANTHROPIC, ANTHROPIC]
    client = ask(gateway, "other")
    assert (client.status, len(gateway.transport.calls)) == (404, 2)
    assert "no route matches the model" in client.body.decode()


def test_a_profile_that_is_not_there_gets_a_404_and_nothing_is_sent() -> None:
    gateway = Gateway()
    client = ask(gateway, "gone")
    assert (client.status, gateway.transport.calls) == (404, [])
    assert "this gateway has no profile `gone`. hint: `openclaude --profile gone`" in client.body.decode()
