from typing import Any

import pytest

from openclaude.adapters.profiles import profile_for, profiles
from openclaude.explain.targets import MODELS, Target, UsageError, choose
from support.bedrock_cases import MODEL_OF_PROFILE

BODY = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}], "stream": True}
TOOLS = [{"name": "ls", "input_schema": {"type": "object"}}]


def chosen(**said: Any) -> Target:
    return choose(**{"profile": None, "model_id": None, "region": None, "operation": None, **said})


@pytest.mark.parametrize("name", profiles())
def test_every_profile_has_a_model_id_that_leads_back_to_it(name: str) -> None:
    target = chosen(profile=name)
    assert target.profile.name == name
    if target.profile.prefixes:
        assert profile_for(target.model_id).name == name


def test_the_model_ids_are_those_of_the_contract() -> None:
    assert MODEL_OF_PROFILE.items() <= MODELS.items()


def test_a_model_id_chooses_its_profile() -> None:
    target = chosen(model_id="us.amazon.nova-micro-v1:0")
    assert (target.profile.name, target.model_id) == ("nova-micro", "us.amazon.nova-micro-v1:0")


def test_a_profile_holds_for_a_model_id_of_another_one() -> None:
    target = chosen(profile="nova", model_id="qwen.qwen3-32b-v1:0")
    assert (target.profile.name, target.model_id) == ("nova", "qwen.qwen3-32b-v1:0")


def test_nothing_said_is_a_qwen_coder_in_a_region_of_the_explanation() -> None:
    target = chosen()
    assert (target.profile.name, target.region, target.operation) == ("qwen-text", "us-east-1", None)


def test_the_region_of_an_arn_holds_unless_another_one_is_said() -> None:
    arn = "arn:aws:bedrock:eu-west-3::foundation-model/qwen.qwen3-coder-next"
    assert chosen(model_id=arn).region == "eu-west-3"
    assert chosen(model_id=arn, region="us-west-2").region == "us-west-2"


def test_the_request_implies_the_operation() -> None:
    assert chosen().translated(BODY).operation == "ConverseStream"
    assert chosen().translated({**BODY, "stream": False}).operation == "Converse"


@pytest.mark.parametrize("operation", ["Converse", "ConverseStream"])
@pytest.mark.parametrize("stream", [True, False])
def test_an_operation_that_is_said_holds_whatever_the_request_wants(operation: str, *, stream: bool) -> None:
    body = {**BODY, "stream": stream, "tools": TOOLS}
    built = chosen(profile="llama4", operation=operation).translated(body)
    assert built.operation == operation
    assert "stream_emulated" not in built.notes


def test_a_model_without_tool_streams_is_asked_for_a_whole_answer() -> None:
    built = chosen(profile="llama4").translated({**BODY, "tools": TOOLS})
    assert (built.operation, built.notes) == ("Converse", ("stream_emulated",))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"profile": "gone"}, "there is no capability profile 'gone'"),
        ({"operation": "Chat"}, "there is no operation 'Chat'"),
        ({"model_id": "a/b"}, "--model-id is not a Bedrock model id"),
    ],
    ids=["profile", "operation", "model id"],
)
def test_what_does_not_exist_is_refused_in_words(said: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        chosen(**said)
    assert str(refused.value).startswith(message)
