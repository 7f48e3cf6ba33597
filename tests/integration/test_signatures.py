"""What the gateway signs is what arrives: the simulated Bedrock recomputes every signature from the raw request line."""

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaude.credentials.policies import SignFor
from openclaude.credentials.sealed import AwsKeys
from openclaude.demo.scene import weather
from openclaude.domain.http import SafeHeaders, UpstreamRequest
from openclaude.edge.egress import head_bytes
from openclaude.launcher.daemon import Gateway
from openclaude.simulator.inbound import read_head
from openclaude.simulator.recorded import Recorded
from openclaude.simulator.signatures import Verifier
from openclaude.simulator.world import World
from support.product import Home, make_home
from support.rawhttp import ask
from support.staging import client_headers, message_body, serving

REGION = "us-west-2"
ARN = f"arn:aws:bedrock:{REGION}:123456789012:inference-profile/us.amazon.nova-pro-v1:0"
MODELS = {
    "plain": "qwen.qwen3-coder-next",
    "colon": "qwen.qwen3-coder-480b-a35b-v1:0",
    "arn": ARN,
}
SIZES = {"2 KB": 2_000, "200 KB": 200_000, "2 MB": 2_000_000, "25 MB": 24_990_000}

pytestmark = pytest.mark.xdist_group("signatures")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Gateway, Home]]:
    home = make_home(tmp_path_factory.mktemp("home") / "user", "sk-ant-" + "oat01-" + secrets.token_hex(24))
    home.state_home.mkdir(mode=0o700)
    routes = [
        f'[[routes]]\nmatch = "{name}"\nto = "bedrock"\nmodel = "{model}"\nregion = "{REGION}"\n'
        for name, model in MODELS.items()
    ]
    (home.state_home / "config.toml").write_text("\n".join(routes))
    with (
        World(weather, record_limit=0) as world,
        serving(home, world.connect_to, world.ca_file, env=world.aws_env()) as gateway,
    ):
        yield world, gateway, home


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_every_kind_of_model_id_and_size_of_body_has_a_valid_signature(
    stage: tuple[World, Gateway, Home], name: str, size: str, *, stream: bool
) -> None:
    world, gateway, home = stage
    text = secrets.token_hex(SIZES[size] // 2 - 300)
    response = ask(gateway, client_headers(home.login), message_body(name, text, stream=stream))
    assert response.status == 200, response.body[:300]
    row = world.bedrock.requests()[-1]
    operation = "converse-stream" if stream else "converse"
    assert row.target == f"/model/{quote(MODELS[name], safe='-_.~')}/{operation}".encode()
    assert row.body_length is not None
    assert 0.5 * SIZES[size] < row.body_length < 1.2 * SIZES[size] + 1000
    assert row.header("x-amz-security-token") is not None
    assert world.bedrock.verifier.check(row) is None


KEY, SECRET, TOKEN = "ASIA" + secrets.token_hex(8).upper(), secrets.token_hex(20), secrets.token_hex(40)
NOW = datetime(2026, 11, 22, 5, 6, 7, tzinfo=UTC)
VERIFIER = Verifier({KEY: (SECRET, TOKEN)}, REGION, clock=lambda: NOW)
OTHERS = Verifier({KEY: (SECRET, TOKEN + "x")}, REGION, clock=lambda: NOW)


def sent(model: str = ARN, body: bytes = b'{"messages":[]}', *, service: str = "bedrock") -> Recorded:
    """A request as the product signs and writes it, and as the simulator records it."""
    request = UpstreamRequest(
        method=b"POST",
        target=f"/model/{quote(model, safe='-_.~')}/converse".encode(),
        headers=SafeHeaders([(b"content-type", b"application/json"), (b"accept", b"application/json")]),
        content_length=len(body),
        body_sha256=hashlib.sha256(body).hexdigest(),
    )
    keys = AwsKeys(access_key=KEY, secret_key=SECRET, token=TOKEN, source="test")
    authorized = SignFor(region=REGION, service=service).authorize(request, keys, NOW)
    head = read_head(head_bytes(authorized))
    digest = hashlib.sha256(body).hexdigest()
    return Recorded(
        "bedrock", 0, 0, head.line, head.headers, 0.0, body=body, body_sha256=digest, body_length=len(body)
    )


def changed(row: Recorded, name: str, change: Callable[[bytes], bytes]) -> Recorded:
    """The request with one header's value changed."""
    headers = tuple(
        (key, change(value)) if key.lower() == name.encode() else (key, value) for key, value in row.headers
    )
    assert headers != row.headers, name
    return replace(row, headers=headers)


def authorization(old: str, new: str) -> Callable[[Recorded], Recorded]:
    return lambda row: changed(row, "authorization", lambda value: value.replace(old.encode(), new.encode()))


MUTATIONS = {
    "method": lambda row: replace(row, request_line=row.request_line.replace(b"POST", b"PUT")),
    "path": lambda row: replace(row, request_line=row.request_line.replace(b"nova-pro", b"nova-prp")),
    "a decoded colon": lambda row: replace(row, request_line=row.request_line.replace(b"%3A", b":", 1)),
    "a decoded slash": lambda row: replace(row, request_line=row.request_line.replace(b"%2F", b"/", 1)),
    "the operation": lambda row: replace(
        row, request_line=row.request_line.replace(b"/converse", b"/invoke")
    ),
    "an added query": lambda row: replace(row, request_line=row.request_line.replace(b" HTTP", b"?x=1 HTTP")),
    "one byte of the body": lambda row: replace(
        row, body_sha256=hashlib.sha256(b'{"messages":[ }').hexdigest()
    ),
    "host": lambda row: changed(row, "host", lambda value: value.replace(b"us-west-2", b"us-east-1")),
    "content type": lambda row: changed(row, "content-type", lambda value: value + b"x"),
    "date": lambda row: changed(row, "x-amz-date", lambda value: value[:-2] + b"8Z"),
    "token": lambda row: changed(row, "x-amz-security-token", lambda value: value + b"0"),
    "key id": authorization(KEY, KEY[:-1] + "0" if KEY[-1] != "0" else KEY[:-1] + "1"),
    "day of the scope": authorization("/20261122/", "/20261121/"),
    "region of the scope": authorization("/us-west-2/", "/us-east-1/"),
    "service of the scope": authorization("/bedrock/", "/bedrock-mantle/"),
    "end of the scope": authorization("aws4_request", "aws4_reques"),
    "an unsigned token": authorization(";x-amz-security-token", ""),
    "an unsigned host": authorization("host;", ""),
    "an unsigned content type": authorization("content-type;", ""),
}


@pytest.mark.parametrize("mutation", list(MUTATIONS))
def test_a_change_of_any_signed_part_is_refused(mutation: str) -> None:
    row = sent()
    assert VERIFIER.check(row) is None
    refusal = VERIFIER.check(MUTATIONS[mutation](row))
    assert refusal is not None
    assert refusal.status == 403


def test_a_signature_for_another_service_or_with_another_token_is_refused() -> None:
    assert VERIFIER.check(sent(service="bedrock-mantle")) is not None
    assert OTHERS.check(sent()) is not None


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_signature_of_another_time_is_refused(minutes: int) -> None:
    later = Verifier({KEY: (SECRET, TOKEN)}, REGION, clock=lambda: NOW + timedelta(minutes=minutes))
    assert later.check(sent()) is not None


@given(st.integers(0, 63), st.sampled_from("0123456789abcdef"))
def test_any_other_digit_in_a_signature_is_refused(place: int, digit: str) -> None:
    row = sent()
    value = (row.header("authorization") or b"").decode()
    start = value.index("Signature=") + len("Signature=")
    forged = value[: start + place] + digit + value[start + place + 1 :]
    found = VERIFIER.check(replace(row, headers=(*row.headers[:-1], (row.headers[-1][0], forged.encode()))))
    assert (found is None) == (forged == value)


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60),
    st.binary(max_size=300),
)
def test_any_model_id_and_body_is_signed_as_it_is_sent(model: str, body: bytes) -> None:
    assert VERIFIER.check(sent(model, body)) is None


def test_the_signature_of_one_body_does_not_do_for_another() -> None:
    rows = [sent(body=json.dumps({"n": number}).encode()) for number in range(2)]
    assert VERIFIER.check(replace(rows[0], body_sha256=rows[1].body_sha256)) is not None
