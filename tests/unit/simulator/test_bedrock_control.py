"""Asked with botocore's signer and read with botocore's parser, against botocore's service model."""

import http.client
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.validate import ParamValidator

from openclaude.simulator.bedrock_control import CATALOGUE
from openclaude.simulator.world import World
from support.patience import DEADLINE

HOST = "bedrock.us-west-2.amazonaws.com"
MODEL = ServiceModel(Loader().load_service_model("bedrock", "service-2"), "bedrock")


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    with World(aws_services=True) as running:
        yield running


@pytest.fixture
def world(shared: World) -> World:
    shared.control.denied.clear()
    return shared


def asked(
    world: World, operation: str, target: str, *, bearer: str = "", method: str = "GET"
) -> dict[str, Any]:
    env = world.aws_env()
    keys = Credentials(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"])
    request = AWSRequest(method, f"https://{HOST}{target}")
    if bearer:
        request.headers["Authorization"] = f"Bearer {bearer}"
    else:
        SigV4Auth(keys, "bedrock", "us-west-2").add_auth(request)
    place = dict(entry.split("=") for entry in world.connect_to)[f"{HOST}:443"]
    context = ssl.create_default_context(cafile=str(world.ca_file))
    context.check_hostname = False
    connection = http.client.HTTPSConnection(*place.split(":"), timeout=DEADLINE, context=context)
    connection.request(method, target, headers={"Host": HOST, **dict(request.headers.items())})
    response = connection.getresponse()
    answer = {"status_code": response.status, "headers": dict(response.getheaders()), "body": response.read()}
    connection.close()
    shape = MODEL.operation_model(operation).output_shape
    found: dict[str, Any] = create_parser("rest-json").parse(answer, shape)
    if response.status == 200:
        plain = {name: value for name, value in found.items() if name != "ResponseMetadata"}
        assert not ParamValidator().validate(plain, shape).has_errors()
    return found


def test_every_model_is_listed_in_the_services_own_shape(world: World) -> None:
    found = asked(world, "ListFoundationModels", "/foundation-models")["modelSummaries"]
    assert [entry["modelId"] for entry in found] == [offer.id for offer in CATALOGUE]
    ends = {entry["modelId"]: entry["modelLifecycle"].get("endOfLifeTime") for entry in found}
    assert ends["qwen.qwen3-coder-480b-a35b-v1:0"].year == 2027


def test_profiles_are_listed_page_by_page(world: World) -> None:
    seen, token = [], ""
    while True:
        more = f"&nextToken={token}" if token else ""
        page = asked(world, "ListInferenceProfiles", f"/inference-profiles?maxResults=1000{more}")
        seen += [entry["inferenceProfileId"] for entry in page["inferenceProfileSummaries"]]
        token = page.get("nextToken", "")
        if not token:
            break
    assert seen == [f"{geo}.{offer.id}" for offer in CATALOGUE for geo, _ in offer.geos]


def test_one_profile_tells_where_it_routes(world: World) -> None:
    found = asked(world, "GetInferenceProfile", "/inference-profiles/us.anthropic.claude-sonnet-4-6")
    assert [entry["modelArn"].split(":")[3] for entry in found["models"]] == [
        "us-east-1",
        "us-east-2",
        "us-west-2",
    ]


def test_the_availability_of_a_model_is_told(world: World) -> None:
    found = asked(
        world, "GetFoundationModelAvailability", "/foundation-model-availability/qwen.qwen3-coder-next"
    )
    assert found["authorizationStatus"] == "AUTHORIZED"


@pytest.mark.parametrize(
    ("operation", "target", "code"),
    [
        ("GetInferenceProfile", "/inference-profiles/us.none", "ResourceNotFoundException"),
        ("GetFoundationModelAvailability", "/foundation-model-availability/none.none", "ValidationException"),
        ("ListFoundationModels", "/elsewhere", "UnknownOperationException"),
    ],
)
def test_what_is_not_there_is_refused(world: World, operation: str, target: str, code: str) -> None:
    assert asked(world, operation, target)["Error"]["Code"] == code


def test_a_denied_operation_names_its_action(world: World) -> None:
    world.control.denied.add("ListFoundationModels")
    error = asked(world, "ListFoundationModels", "/foundation-models")["Error"]
    assert error["Code"] == "AccessDeniedException"
    assert "not authorized to perform: bedrock:ListFoundationModels" in error["Message"]


def test_an_api_key_is_taken_when_it_is_known(world: World, canary: Callable[[str], str]) -> None:
    key = canary("bedrock-api-key-")
    refused = asked(world, "ListFoundationModels", "/foundation-models", bearer=key)
    assert refused["Error"]["Code"] == "IncompleteSignatureException"
    world.control.api_keys = frozenset({key})
    assert asked(world, "ListFoundationModels", "/foundation-models", bearer=key)["modelSummaries"]


def test_expired_keys_are_refused(world: World) -> None:
    world.control.verifier.expired.add(world.aws_env()["AWS_ACCESS_KEY_ID"])
    try:
        assert (
            asked(world, "ListFoundationModels", "/foundation-models")["Error"]["Code"]
            == "ExpiredTokenException"
        )
    finally:
        world.control.verifier.expired.clear()
