import copy
import gc
import pickle
import sys
from datetime import UTC, datetime

import pytest

from openclaude.credentials import _vault
from openclaude.credentials.outbound import credential_lines
from openclaude.credentials.policies import (
    ANTHROPIC,
    MANTLE_SERVICE,
    KeyFor,
    Passthrough,
    SignFor,
    bedrock_origin,
    mantle_origin,
)
from openclaude.credentials.sealed import (
    AuthorizedRequest,
    AwsKeys,
    ClientCredential,
    RouteKey,
    SealedError,
    SealedLines,
)
from openclaude.domain.http import Origin, SafeHeaders, UpstreamRequest
from openclaude.wire.sigv4 import Begun

REQUEST = UpstreamRequest(b"POST", b"/v1/messages", SafeHeaders(), 2, "0" * 64)


def handles(secret: str):
    login = ClientCredential([(b"Authorization", b"Bearer " + secret.encode())])
    return [
        login,
        RouteKey(Origin("p.example"), secret),
        AwsKeys(access_key=secret, secret_key=secret, token=secret, source="env"),
        Passthrough().authorize(REQUEST, login),
    ]


@pytest.mark.parametrize("index", range(4), ids=["login", "route key", "aws keys", "authorised request"])
def test_a_handle_shows_nothing_and_cannot_be_copied(index: int, canary) -> None:
    secret = canary()
    handle = handles(secret)[index]
    assert secret not in repr(handle) + str(handle) + repr(getattr(handle, "__dict__", ""))
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(SealedError) as caught:
            attempt(handle)
        assert secret not in str(caught.value)


def test_a_login_keeps_the_bytes_the_client_sent(canary) -> None:
    secret = canary().encode()
    login = ClientCredential([(b"Authorization", b"Bearer " + secret), (b"X-Api-Key", secret)])
    authorized = Passthrough().authorize(REQUEST, login)
    assert credential_lines(authorized) == b"Authorization: Bearer %b\r\nX-Api-Key: %b\r\n" % (secret, secret)
    assert authorized.origin == ANTHROPIC
    assert login.header == "authorization, x-api-key"


@pytest.mark.parametrize("pairs", [[], [(b"cookie", b"a")], [(b"authorization", b"a"), (b"x", b"b")]])
def test_only_login_headers_make_a_login(pairs) -> None:
    with pytest.raises(ValueError, match="authorization and x-api-key"):
        ClientCredential(pairs)


def test_a_route_key_reaches_the_origin_it_was_read_for(canary) -> None:
    key = canary()
    policy = KeyFor(RouteKey(Origin("p.example"), key))
    authorized = policy.authorize(REQUEST)
    assert authorized.origin == policy.origin == Origin("p.example")
    assert credential_lines(authorized) == f"Authorization: Bearer {key}\r\n".encode()


def test_a_signature_holds_neither_the_secret_key_nor_another_origin(canary) -> None:
    secret = canary()
    keys = AwsKeys(access_key="AKID", secret_key=secret, token=None, source="env")
    authorized = SignFor(region="eu-west-1").authorize(REQUEST, keys, datetime(2026, 1, 2, tzinfo=UTC))
    assert authorized.origin == Origin("bedrock-runtime.eu-west-1.amazonaws.com")
    assert secret.encode() not in credential_lines(authorized)
    assert b"Credential=AKID/20260102/eu-west-1/bedrock/aws4_request" in credential_lines(authorized)


def test_a_configured_endpoint_takes_the_place_of_the_regions() -> None:
    endpoint = Origin("vpce-1.bedrock-runtime.us-west-2.vpce.amazonaws.com")
    assert SignFor(region="us-west-2", endpoint=endpoint).origin == endpoint


def test_china_has_its_own_dns_suffix() -> None:
    assert bedrock_origin("cn-north-1").host == "bedrock-runtime.cn-north-1.amazonaws.com.cn"


def test_a_secret_is_forgotten_with_its_handle(canary) -> None:
    gc.collect()
    before = len(_vault._SECRETS)
    handle = RouteKey(Origin("p"), canary())
    assert len(_vault._SECRETS) == before + 1
    del handle
    gc.collect()
    assert len(_vault._SECRETS) == before


def test_nothing_of_a_signature_outlives_the_keys_that_made_it(canary) -> None:
    def begun() -> int:
        gc.collect()
        return sum(isinstance(each, Begun) for each in gc.get_objects())

    secret, token, before = canary(), canary(), begun()
    held = sys.getrefcount(secret), sys.getrefcount(token)
    keys = AwsKeys(access_key="AK", secret_key=secret, token=token, source="env")
    authorized = SignFor(region="us-west-2").authorize(REQUEST, keys, datetime(2026, 1, 1, tzinfo=UTC))
    assert token.encode() in credential_lines(authorized)
    assert begun() == before + 1
    del keys, authorized
    assert begun() == before
    assert (sys.getrefcount(secret), sys.getrefcount(token)) == held


def test_a_request_refers_to_the_handle_of_its_login_and_puts_nothing_into_the_vault(canary) -> None:
    login = ClientCredential([(b"x-api-key", canary().encode())])
    before = dict(_vault._SECRETS)
    authorized = Passthrough().authorize(REQUEST, login)
    assert before == _vault._SECRETS
    assert authorized.credential is login


def test_a_handle_stands_for_the_same_secret_as_long_as_it_lives(canary) -> None:
    lines = canary().encode()
    handle = SealedLines(lines)
    with pytest.raises(ValueError, match="a SealedLines is sealed already"):
        _vault.put(handle, canary().encode())
    assert _vault.get(handle, bytes) == lines


def test_the_vault_refuses_the_wrong_kind_of_secret(canary) -> None:
    login = ClientCredential([(b"x-api-key", canary().encode())])
    with pytest.raises(TypeError):
        _vault.get(login, str)
    with pytest.raises(KeyError):
        _vault.get(AuthorizedRequest.__new__(AuthorizedRequest), bytes)


def test_the_messages_endpoint_has_a_host_and_a_signing_name_of_its_own() -> None:
    origin = mantle_origin("eu-west-1")
    policy = SignFor(region="eu-west-1", service=MANTLE_SERVICE, endpoint=origin)
    assert (policy.origin.host, policy.service) == ("bedrock-mantle.eu-west-1.api.aws", "bedrock-mantle")
