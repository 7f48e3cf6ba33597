"""Whether a Converse request is one Bedrock would read.

botocore's service model says which members, lengths, patterns and enumerations exist; ParamValidator checks only some
of them, so the rest is checked here. `check_conversation` holds the rules Bedrock states in its error messages.
"""

import base64
import functools
import itertools
import json
import re
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator

MAX_POINTS = 4
MAX_BODY = 25_000_000
DOCUMENT_NAME = re.compile(r"[A-Za-z0-9()\[\]-]+( [A-Za-z0-9()\[\]-]+)*")


class NotConverseError(AssertionError):
    """The request breaks a rule; the message says where."""


def need(holds: object, rule: str) -> None:
    if not holds:
        raise NotConverseError(rule)


@functools.cache
def service_model() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"))


def check_request(
    operation: str, model_id: str, body: dict[str, Any], *, trailing_assistant: bool = False
) -> None:
    """Raise NotConverseError unless botocore would send this body and Bedrock would read it."""
    check_shape(operation, model_id, body)
    check_conversation(body, trailing_assistant=trailing_assistant)


def check_shape(operation: str, model_id: str, body: dict[str, Any]) -> None:
    """Raise NotConverseError unless botocore would send this body."""
    model = service_model().operation_model(operation)
    params = to_params(model.input_shape, {"modelId": model_id, **body}, operation)
    report = ParamValidator().validate(params, model.input_shape)
    need(not report.has_errors(), report.generate_report())
    wire = create_serializer("rest-json").serialize_to_request(params, model)
    need(json.loads(wire["body"]) == body, "botocore would send another body")


def check_invoke(operation: str, model_id: str, payload: bytes) -> None:
    """Raise NotConverseError unless botocore would send this body of InvokeModel."""
    shape = service_model().operation_model(operation).input_shape
    report = ParamValidator().validate({"modelId": model_id, "body": payload}, shape)
    need(not report.has_errors(), report.generate_report())
    need(len(payload) <= MAX_BODY, f"{len(payload)} bytes")


def to_params(shape: Shape, value: Any, path: str) -> Any:
    """JSON of the wire as botocore's parameters, with every constraint of the model checked on the way."""
    if getattr(shape, "is_document_type", False):
        return value
    return _READERS[shape.type_name](shape, value, path)


def _structure(shape: Any, value: Any, path: str) -> Any:
    need(isinstance(value, dict), f"{path}: not an object")
    unknown = set(value) - set(shape.members)
    need(not unknown, f"{path}: unknown members {sorted(unknown)}")
    if getattr(shape, "is_tagged_union", False):
        need(len(value) == 1, f"{path}: a union has one member, this has {sorted(value)}")
    missing = set(shape.required_members) - set(value)
    need(not missing, f"{path}: missing {sorted(missing)}")
    return {key: to_params(shape.members[key], item, f"{path}.{key}") for key, item in value.items()}


def _list(shape: Any, value: Any, path: str) -> Any:
    need(isinstance(value, list), f"{path}: not a list")
    _check_range(shape, len(value), path)
    return [to_params(shape.member, item, f"{path}[{index}]") for index, item in enumerate(value)]


def _map(shape: Any, value: Any, path: str) -> Any:
    need(isinstance(value, dict), f"{path}: not an object")
    return {key: to_params(shape.value, item, f"{path}.{key}") for key, item in value.items()}


def _blob(shape: Any, value: Any, path: str) -> Any:
    need(isinstance(value, str), f"{path}: a blob is base64 text")
    raw = base64.b64decode(value, validate=True)
    _check_range(shape, len(raw), path)
    return raw


def _string(shape: Any, value: Any, path: str) -> Any:
    need(isinstance(value, str), f"{path}: not a string")
    value.encode("utf-8")
    _check_range(shape, len(value), path)
    allowed = shape.metadata.get("enum")
    need(allowed is None or value in allowed, f"{path}: {value!r} is not one of {allowed}")
    pattern = shape.metadata.get("pattern")
    need(pattern is None or re.fullmatch(pattern, value), f"{path}: {value!r} does not match {pattern}")
    return value


def _number(shape: Any, value: Any, path: str) -> Any:
    need(isinstance(value, int | float) and not isinstance(value, bool), f"{path}: not a number")
    _check_range(shape, value, path)
    return value


def _boolean(shape: Any, value: Any, path: str) -> Any:
    need(isinstance(value, bool), f"{path}: not a boolean")
    return value


def _check_range(shape: Any, size: float, path: str) -> None:
    low, high = shape.metadata.get("min", float("-inf")), shape.metadata.get("max", float("inf"))
    need(low <= size <= high, f"{path}: {size} is not in {low}..{high}")


_READERS = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "blob": _blob,
    "string": _string,
    "integer": _number,
    "long": _number,
    "float": _number,
    "double": _number,
    "boolean": _boolean,
}


def check_conversation(body: dict[str, Any], *, trailing_assistant: bool = False) -> None:
    """The rules of a conversation that no shape can say."""
    messages = body["messages"]
    roles = [message["role"] for message in messages]
    need(roles, "no messages")
    need(set(roles) <= {"user", "assistant"}, f"roles that no model takes: {roles}")
    need(all(a != b for a, b in itertools.pairwise(roles)), f"roles do not alternate: {roles}")
    need(trailing_assistant or roles[-1] == "user", "the last turn is not the user's")
    uses: list[str] = []
    for message in messages:
        _check_turn(message, uses)
        uses = _ids(message, "toolUse")
    need(not uses, "the last turn calls tools")
    need(
        all("text" not in block or block["text"].strip() for block in body.get("system", [])),
        "blank system text",
    )
    _check_documents(messages)
    _check_tools(body)
    _check_points(body)


def _ids(message: dict[str, Any], kind: str) -> list[str]:
    return [block[kind]["toolUseId"] for block in message["content"] if kind in block]


def _check_turn(message: dict[str, Any], calls: list[str]) -> None:
    content = message["content"]
    need(content, "an empty turn")
    results = _ids(message, "toolResult")
    need(results == calls, f"calls {calls} are answered by results {results}")
    for ids in (results, _ids(message, "toolUse")):
        need(len(set(ids)) == len(ids), f"an id twice in one turn: {ids}")
    kinds = [next(iter(block)) for block in content if "cachePoint" not in block]
    is_result = [kind == "toolResult" for kind in kinds]
    need(is_result == sorted(is_result, reverse=True), "tool results do not come first")
    is_call = [kind == "toolUse" for kind in kinds]
    need(is_call == sorted(is_call), "something follows a tool call")
    for kind, role in (
        ("toolResult", "user"),
        ("image", "user"),
        ("document", "user"),
        ("toolUse", "assistant"),
    ):
        need(kind not in kinds or message["role"] == role, f"{kind} in a turn of the {message['role']}")
    for block in content:
        _check_block(block)


def _check_block(block: dict[str, Any]) -> None:
    need("text" not in block or block["text"].strip(), "blank text")
    if "toolUse" in block:
        need(isinstance(block["toolUse"]["input"], dict), "the input of a tool call is no object")
    if "toolResult" in block:
        content = block["toolResult"]["content"]
        need(content, "an empty tool result")
        need(
            all("text" not in part or part["text"].strip() for part in content), "blank text in a tool result"
        )


def _check_documents(messages: list[dict[str, Any]]) -> None:
    names: list[str] = []
    for message in messages:
        own = [block["document"]["name"] for block in message["content"] if "document" in block]
        need(not own or any("text" in block for block in message["content"]), "documents without text")
        nested = [
            part for block in message["content"] for part in block.get("toolResult", {}).get("content", [])
        ]
        names += own + [part["document"]["name"] for part in nested if "document" in part]
    need(len(set(names)) == len(names), f"document names repeat: {names}")
    need(all(DOCUMENT_NAME.fullmatch(name) for name in names), f"document names: {names}")


def _check_tools(body: dict[str, Any]) -> None:
    blocks = [block for message in body["messages"] for block in message["content"]]
    config = body.get("toolConfig")
    need(
        config or not any({"toolUse", "toolResult"} & set(block) for block in blocks),
        "tool blocks without toolConfig",
    )
    specs = [tool["toolSpec"] for tool in (config or {"tools": []})["tools"] if "toolSpec" in tool]
    names = [spec["name"] for spec in specs]
    need(len(set(names)) == len(names), f"tool names repeat: {names}")
    for spec in specs:
        schema = spec["inputSchema"]["json"]
        need(schema.get("type") == "object", f"the schema of {spec['name']} is no object")
        need(
            not {"anyOf", "oneOf", "allOf", "$ref"} & set(schema),
            f"the schema of {spec['name']} has combinators",
        )
    wanted = (config or {}).get("toolChoice", {}).get("tool", {}).get("name")
    need(wanted is None or wanted in names, f"the choice {wanted} is not offered")


def _check_points(body: dict[str, Any]) -> None:
    lists = [(body.get("toolConfig") or {"tools": []})["tools"], body.get("system", [])]
    lists += [message["content"] for message in body["messages"]]
    points = [block["cachePoint"] for blocks in lists for block in blocks if "cachePoint" in block]
    need(len(points) <= MAX_POINTS, f"{len(points)} cache points")
    for blocks in lists:
        before: dict[str, Any] = {"cachePoint": None}
        for block in blocks:
            allowed = not {"cachePoint", "reasoningContent"} & set(before)
            need("cachePoint" not in block or allowed, "a cache point without a block to follow")
            before = block
    short = [point.get("ttl") != "1h" for point in points]
    need(short == sorted(short), "a cache point with a long life behind one with a short life")
