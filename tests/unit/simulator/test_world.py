import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from openclaude.simulator.certs import Flaw
from openclaude.simulator.world import World
from support.patience import DEADLINE

ANTHROPIC = "api.anthropic.com"
BEDROCK = "bedrock-runtime.us-west-2.amazonaws.com"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(keep_raw=True) as running:
        yield running


def connect(world: World, host: str) -> http.client.HTTPSConnection:
    """A verified connection to a provider's name, led to where the world says."""
    place = dict(entry.split("=") for entry in world.connect_to)[f"{host}:443"]
    address, _, port = place.partition(":")
    context = ssl.create_default_context(cafile=str(world.ca_file))
    connection = http.client.HTTPSConnection(host, timeout=DEADLINE, context=context)
    plain = socket.create_connection((address, int(port)), 10)
    # http.client writes head and body apart; Nagle's algorithm would wait for an acknowledgement in between.
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        connection.sock = context.wrap_socket(plain, server_hostname=host)
    except ssl.SSLError:
        plain.close()
        raise
    return connection


def ask_anthropic(world: World, token: str) -> http.client.HTTPResponse:
    connection = connect(world, ANTHROPIC)
    body = {"model": "claude-opus-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    headers = {"x-api-key": token, "anthropic-version": "2023-06-01"}
    connection.request("POST", "/v1/messages", json.dumps(body), headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


def ask_bedrock(world: World) -> http.client.HTTPResponse:
    env = world.aws_env()
    body = json.dumps({"messages": [{"role": "user", "content": [{"text": "hi"}]}]}).encode()
    url = f"https://{BEDROCK}/model/qwen.qwen3-coder-next/converse"
    request = AWSRequest("POST", url, headers={"Content-Type": "application/json"}, data=body)
    keys = Credentials(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"])
    SigV4Auth(keys, "bedrock", env["AWS_REGION"]).add_auth(request)
    connection = connect(world, BEDROCK)
    connection.request("POST", "/model/qwen.qwen3-coder-next/converse", body, dict(request.headers.items()))
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


def test_both_providers_answer_under_their_names_and_share_a_log(
    world: World, canary: Callable[[str], str]
) -> None:
    before = len(world.requests())
    token = canary()
    assert ask_anthropic(world, token).status == 200
    assert ask_bedrock(world).status == 200
    rows = world.wait_for(lambda rows: sum(row.finished is not None for row in rows) == before + 2)
    assert [row.server for row in rows[before:]] == ["anthropic", "bedrock"]
    assert any(token.encode() in wire for wire in world.log.wires("anthropic"))
    assert not any(token.encode() in wire for wire in world.log.wires("bedrock"))


def test_waiting_for_what_never_comes_says_what_came(world: World) -> None:
    with pytest.raises(TimeoutError, match="not seen within"):
        world.wait_for(lambda rows: False, timeout=0.01)


def test_many_requests_at_once_are_all_recorded(world: World, canary: Callable[[str], str]) -> None:
    before = len(world.requests())
    for _ in range(50):
        ask_anthropic(world, canary())
    numbers = [row.number for row in world.requests()[before:]]
    assert len(numbers) == 50
    assert numbers == sorted(set(numbers))


def test_two_worlds_have_different_keys_and_authorities(world: World) -> None:
    with World(region="eu-west-1") as other:
        assert other.connect_to[1].startswith("bedrock-runtime.eu-west-1.amazonaws.com:443=127.0.0.1:")
        assert other.ca_file.read_bytes() != world.ca_file.read_bytes()
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            assert other.aws_env()[name] != world.aws_env()[name]
        folder = other.ca_file.parent
    assert not folder.exists()


@pytest.mark.parametrize("flaw", Flaw, ids=lambda flaw: flaw.value)
def test_a_certificate_may_be_spoiled_for_one_provider(flaw: Flaw) -> None:
    with World(bedrock_flaw=flaw) as spoiled:
        connect(spoiled, ANTHROPIC).close()
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(spoiled, BEDROCK)


def test_the_port_is_closed_afterwards() -> None:
    with World() as ended:
        port = ended.anthropic.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)


def test_a_world_ends_while_a_peer_is_in_its_handshake() -> None:
    with World() as ended:
        silent = socket.create_connection(("127.0.0.1", ended.anthropic.port), 5)
        # Accepted once a later connection has been through its handshake.
        connect(ended, ANTHROPIC).close()
    assert silent.recv(1) == b""
    silent.close()


def test_importing_the_simulators_loads_neither_botocore_nor_cryptography() -> None:
    code = (
        "import sys, openclaude.simulator.world; "
        "print(sorted({'botocore', 'cryptography'} & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True, env=os.environ
    )
    assert answer.stdout == "[]\n"
