from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from openclaude.credentials.fingerprints import GATEWAY, Fingerprints
from openclaude.credentials.policies import Passthrough, SignFor
from openclaude.credentials.sealed import AuthorizedRequest, AwsKeys, ClientCredential, RouteKey, SealedLines
from openclaude.domain.http import Header, Origin, SafeHeaders, UpstreamRequest
from openclaude.edge.egress import ANTHROPIC, EgressError, EgressWall, head_bytes, refusal

BEDROCK = Origin("bedrock-runtime.us-west-2.amazonaws.com")
OTHER = Origin("bedrock-runtime.eu-west-1.amazonaws.com")
KINDS = {ANTHROPIC: "client-login", BEDROCK: "aws-signature"}


def request(*headers: Header, target: bytes = b"/v1/messages") -> UpstreamRequest:
    return UpstreamRequest(b"POST", target, SafeHeaders(headers), 2, "0" * 64)


class Watched:
    """A wall and what it told."""

    def __init__(self, *signed: Origin) -> None:
        self.told: list[tuple[Origin, str, str]] = []
        self.wall = EgressWall(signed or (BEDROCK,), stopped=lambda *what: self.told.append(what))

    def passes(self, authorized: AuthorizedRequest) -> bool:
        before = self.wall.count
        try:
            self.wall.head(authorized)
        except EgressError:
            assert self.wall.count == before + 1
            return False
        assert self.wall.count == before
        return True


def authorized(
    origin: Origin, kind: str, *headers: Header, lines: bytes = b"", target: bytes = b"/v1/messages"
) -> AuthorizedRequest:
    return AuthorizedRequest(origin, request(*headers, target=target), kind, SealedLines(lines))


PAIRS = [
    (ANTHROPIC, "client-login", True),
    (ANTHROPIC, "aws-signature", False),
    (ANTHROPIC, "route-key", False),
    (ANTHROPIC, "anything", False),
    (BEDROCK, "aws-signature", True),
    (BEDROCK, "route-key", True),
    (BEDROCK, "client-login", False),
    (OTHER, "aws-signature", False),
    (OTHER, "client-login", False),
    (Origin("api.anthropic.com", 8443), "client-login", False),
    (Origin("api.anthropic.com.evil.example"), "client-login", False),
    (Origin("api.anthropic.com", 443, "http"), "client-login", False),
]


@pytest.mark.parametrize(("origin", "kind", "passes"), PAIRS, ids=str)
def test_the_table_says_which_kind_of_credential_may_go_where(
    origin: Origin, kind: str, passes: bool
) -> None:
    watched = Watched()
    assert watched.passes(authorized(origin, kind)) is passes
    assert [(told[0], told[1]) for told in watched.told] == ([] if passes else [(origin, kind)])


def test_no_configuration_makes_the_anthropic_api_a_place_for_signatures() -> None:
    watched = Watched(ANTHROPIC, BEDROCK)
    assert watched.passes(authorized(ANTHROPIC, "client-login"))
    assert not watched.passes(authorized(ANTHROPIC, "aws-signature"))


def test_a_changed_configuration_changes_the_table() -> None:
    watched = Watched()
    watched.wall.permit((OTHER,))
    assert watched.passes(authorized(OTHER, "aws-signature"))
    assert not watched.passes(authorized(BEDROCK, "aws-signature"))
    assert watched.passes(authorized(ANTHROPIC, "client-login"))


def login(secret: str) -> None:
    ClientCredential([(b"Authorization", b"Bearer " + secret.encode())])


def signing(secret: str) -> None:
    AwsKeys(access_key="key", secret_key=secret, token=None, source="test")


def token(secret: str) -> None:
    AwsKeys(access_key="key", secret_key="none", token=secret, source="test")


def key_of_other(secret: str) -> None:
    RouteKey(OTHER, secret)


LEAKS = {
    "the login at Bedrock": (login, BEDROCK),
    "an AWS secret key at Bedrock": (signing, BEDROCK),
    "an AWS secret key at Anthropic": (signing, ANTHROPIC),
    "a session token at Anthropic": (token, ANTHROPIC),
    "an API key at Anthropic": (key_of_other, ANTHROPIC),
    "an API key at another endpoint": (key_of_other, BEDROCK),
}
PLACES: dict[str, Callable[[bytes], dict[str, object]]] = {
    "an ordinary header": lambda secret: {"headers": [(b"x-note", secret)]},
    "the middle of a header": lambda secret: {"headers": [(b"user-agent", b"client/1 (" + secret + b") x")]},
    "a header's name": lambda secret: {"headers": [(secret, b"1")]},
    "the target": lambda secret: {"target": b"/v1/messages?key=" + secret},
    "the credential's lines": lambda secret: {"lines": b"Authorization: Bearer " + secret + b"\r\n"},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("leak", LEAKS)
def test_a_secret_in_a_head_for_another_origin_is_stopped(leak: str, place: str, canary) -> None:
    made, origin = LEAKS[leak]
    secret = canary()
    made(secret)
    found = PLACES[place](secret.encode())
    headers = found.pop("headers", [])
    watched = Watched()
    assert not watched.passes(authorized(origin, KINDS[origin], *headers, **found))
    assert secret not in repr(watched.told)
    assert watched.told[0][2].startswith("a secret of the kind ")


def test_the_gateways_own_secret_may_go_nowhere(canary) -> None:
    known, secret = Fingerprints(), canary()
    known.remember(secret.encode(), GATEWAY)
    wall = EgressWall((BEDROCK,), stopped=lambda *_: None, known=known)
    for origin in (ANTHROPIC, BEDROCK):
        with pytest.raises(EgressError):
            wall.head(authorized(origin, KINDS[origin], (b"referer", secret.encode())))


def test_a_key_id_at_anthropic_is_stopped_though_nobody_has_met_it() -> None:
    identifier = b"AK" + b"IA" + b"ABCDEFGH23456723"
    assert not Watched().passes(authorized(ANTHROPIC, "client-login", (b"x-note", identifier)))
    assert Watched().passes(authorized(BEDROCK, "aws-signature", (b"x-note", identifier)))


def test_credentials_at_home_pass(canary) -> None:
    watched = Watched()
    client = ClientCredential([(b"Authorization", b"Bearer " + canary("sk-ant-").encode())])
    assert watched.passes(Passthrough().authorize(request(), client))
    keys = AwsKeys(
        access_key="AK" + "IA" + "ABCDEFGH23456723", secret_key=canary(), token=canary() * 9, source="test"
    )
    assert watched.passes(SignFor(region="us-west-2").authorize(request(), keys, datetime.now(UTC)))


def test_a_head_that_passed_is_looked_at_again_once_a_secret_in_it_is_known(canary) -> None:
    watched, secret = Watched(), canary()
    sent = authorized(BEDROCK, "aws-signature", (b"x-note", secret.encode()))
    assert watched.passes(sent)
    assert watched.passes(sent)
    ClientCredential([(b"x-api-key", secret.encode())])
    assert not watched.passes(sent)
    assert not watched.passes(sent)


def test_a_login_that_passed_vouches_for_its_own_lines_only(canary) -> None:
    watched, login, secret = Watched(), canary(), canary()
    AwsKeys(access_key="a", secret_key=secret, token=None, source="env")
    client = ClientCredential([(b"x-api-key", login.encode())])
    sent = Passthrough().authorize(request(), client)
    assert watched.passes(sent)
    assert watched.passes(sent)
    lines = b"x-api-key: %b\r\nx-note: %b\r\n" % (login.encode(), secret.encode())
    other = AuthorizedRequest(ANTHROPIC, request(), "client-login", SealedLines(lines))
    assert not watched.passes(other)
    assert watched.passes(sent)


CHANGES = {
    "the origin": lambda r, c, _: AuthorizedRequest(BEDROCK, r, "client-login", c),
    "the kind of credential": lambda r, c, _: AuthorizedRequest(ANTHROPIC, r, "aws-signature", c),
    "a header": lambda _, c, secret: Passthrough().authorize(request((b"x-note", secret)), c),
    "the target": lambda _, c, secret: Passthrough().authorize(request(target=b"/?" + secret), c),
    "the method": lambda r, c, secret: Passthrough().authorize(r._replace(method=secret), c),
    "the credential": lambda r, _, secret: AuthorizedRequest(
        ANTHROPIC, r, "client-login", SealedLines(b"x-note: %b\r\n" % secret)
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_differs_from_what_passed_with_a_login_is_looked_at(change: str, canary) -> None:
    watched, secret = Watched(), canary()
    AwsKeys(access_key="a", secret_key=secret, token=None, source="env")
    client = ClientCredential([(b"x-api-key", canary().encode())])
    assert watched.passes(Passthrough().authorize(request(), client))
    assert not watched.passes(CHANGES[change](request(), client, secret.encode()))
    assert watched.passes(Passthrough().authorize(request(), client))


@pytest.mark.parametrize("place", ["beginning", "seam", "end", "met later"])
def test_a_secret_beside_a_signature_is_stopped_whatever_passed_before(place: str, canary) -> None:
    watched, secret = Watched(), canary().encode()
    date, digits = (
        b"X-Amz-Date: 20261122T050607Z\r\nAuthorization: AWS4-HMAC-SHA256 Signature=",
        b"0123456789abcdef" * 4,
    )

    def passes(lines: bytes) -> bool:
        return watched.passes(authorized(BEDROCK, "aws-signature", lines=lines))

    clean = date + digits + b"\r\n"
    if place != "met later":
        ClientCredential([(b"Authorization", b"Bearer " + secret)])
    leaking = {
        "beginning": b"X: " + secret + b"\r\n" + clean,
        "seam": date[: -len(secret) // 2] + secret + digits[len(secret) // 2 :] + b"\r\n",
        "end": date + digits[: -len(secret)] + secret + b"\r\n",
        "met later": b"X: " + secret + b"\r\n" + clean,
    }[place]
    assert passes(clean)
    assert passes(date + digits[::-1] + b"\r\n")
    if place == "met later":
        assert passes(leaking)
        ClientCredential([(b"Authorization", b"Bearer " + secret)])
    assert not passes(leaking)
    assert not passes(leaking)
    assert passes(clean)


def test_a_signed_head_says_what_its_own_request_says_whatever_left_before() -> None:
    watched = Watched(BEDROCK, OTHER)
    heads = [
        authorized(origin, "aws-signature", *headers, target=target, lines=lines)
        for origin in (BEDROCK, OTHER)
        for headers in ([], [(b"accept", b"a")], [(b"accept", b"b")])
        for target in (b"/model/a/converse", b"/model/b/converse")
        for lines in (b"X-Amz-Date: 1\r\n", b"X-Amz-Date: 2\r\n")
    ]
    for each in (*heads, *reversed(heads), *heads[::3]):
        assert watched.wall.head(each) == head_bytes(each)


def test_what_one_wall_let_pass_is_looked_at_by_another(canary) -> None:
    secret, other = canary().encode(), canary().encode()
    walls = []
    for each in (other, secret):
        known = Fingerprints()
        known.remember(each, GATEWAY)
        walls.append(EgressWall((BEDROCK,), stopped=lambda *_: None, known=known))
    sent = Passthrough().authorize(request(), ClientCredential([(b"x-api-key", secret)]))
    assert secret in walls[0].head(sent)
    with pytest.raises(EgressError):
        walls[1].head(sent)


def test_a_login_that_passed_is_stopped_where_a_changed_table_has_no_place_for_it(canary) -> None:
    watched, client = Watched(), ClientCredential([(b"x-api-key", canary().encode())])
    sent = AuthorizedRequest(BEDROCK, request(), "aws-signature", SealedLines(b""))
    assert watched.passes(sent)
    assert watched.passes(Passthrough().authorize(request(), client))
    watched.wall.permit((OTHER,))
    assert not watched.passes(sent)
    assert watched.passes(Passthrough().authorize(request(), client))


def test_the_client_is_told_what_happened_and_not_to_try_again() -> None:
    error = refusal(EgressError(BEDROCK, "a secret of the kind client login"))
    assert (error.status, error.type, error.headers()) == (502, "api_error", [(b"x-should-retry", b"false")])
    assert (
        "a secret of the kind client login was about to go to https://bedrock-runtime.us-west-2"
        in error.message
    )
    assert "hint:" in error.message
