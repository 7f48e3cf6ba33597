"""Asked with botocore's signer and read with botocore's parser."""

import http.client
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser

from openclaude.simulator.sts import ARN
from openclaude.simulator.world import World
from support.patience import DEADLINE

HOST = "sts.us-west-2.amazonaws.com"
BODY = b"Action=GetCallerIdentity&Version=2011-06-15"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(aws_services=True) as running:
        yield running


def asked(world: World, body: bytes = BODY, *, service: str = "sts", secret: str = "") -> dict[str, Any]:
    env = world.aws_env()
    keys = Credentials(
        env["AWS_ACCESS_KEY_ID"], secret or env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"]
    )
    request = AWSRequest("POST", f"https://{HOST}/", data=body)
    request.headers["Content-Type"] = "application/x-www-form-urlencoded"
    SigV4Auth(keys, service, "us-west-2").add_auth(request)
    place = dict(entry.split("=") for entry in world.connect_to)[f"{HOST}:443"]
    context = ssl.create_default_context(cafile=str(world.ca_file))
    context.check_hostname = False
    connection = http.client.HTTPSConnection(*place.split(":"), timeout=DEADLINE, context=context)
    connection.request("POST", "/", body, {"Host": HOST, **dict(request.headers.items())})
    response = connection.getresponse()
    model = ServiceModel(Loader().load_service_model("sts", "service-2"), "sts")
    answer = {"status_code": response.status, "headers": dict(response.getheaders()), "body": response.read()}
    connection.close()
    parser = create_parser("query")
    found: dict[str, Any] = parser.parse(answer, model.operation_model("GetCallerIdentity").output_shape)
    return found


def test_whoever_signs_is_told_who_they_are(world: World) -> None:
    found = asked(world)
    assert (found["Arn"], found["Account"]) == (ARN, "111122223333")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"secret": "wrong"}, "SignatureDoesNotMatch"),
        ({"service": "bedrock"}, "SignatureDoesNotMatch"),
        ({"body": b"Action=GetSessionToken&Version=2011-06-15"}, "InvalidAction"),
    ],
    ids=["another secret", "another service", "another operation"],
)
def test_what_is_not_right_is_refused_in_the_protocols_own_words(
    world: World, change: dict[str, Any], code: str
) -> None:
    assert asked(world, **change)["Error"]["Code"] == code


def test_expired_keys_are_called_expired(world: World) -> None:
    world.sts.verifier.expired.add(world.aws_env()["AWS_ACCESS_KEY_ID"])
    try:
        assert asked(world)["Error"]["Code"] == "ExpiredToken"
    finally:
        world.sts.verifier.expired.clear()


def test_a_world_has_the_aws_services_only_when_asked(world: World) -> None:
    assert [entry.partition(":")[0] for entry in world.connect_to] == [
        "api.anthropic.com",
        "bedrock-runtime.us-west-2.amazonaws.com",
        HOST,
        "bedrock.us-west-2.amazonaws.com",
    ]
    with World() as small:
        assert len(small.connect_to) == 2
