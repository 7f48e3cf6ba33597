"""Checks a Converse body against the service model that botocore ships: the strictest description there is.

botocore's own validator ignores patterns, enumerations, upper limits and unknown members; Bedrock does not.
Import this module late: it loads botocore and the service model.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape
from botocore.validate import ParamValidator

Problems = Iterator[str]


@lru_cache(maxsize=1)
def _service() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"))


def shape_problems(operation: str, model_id: str, body: Mapping[str, Any]) -> list[str]:
    """What in `body` the service model does not allow for `operation` (`Converse` or `ConverseStream`)."""
    shape = _service().operation_model(operation).input_shape
    params = {**body, "modelId": model_id}
    problems = [
        *(["modelId: not a member of the body"] if "modelId" in body else []),
        *_check(shape, params, ""),
    ]
    if problems:
        return problems
    report = ParamValidator().validate(_decoded(shape, params), shape)
    return [report.generate_report()] if report.has_errors() else []


def model_id_is_valid(model_id: str) -> bool:
    """Whether a decoded model id has one of the forms the service model knows."""
    return not list(_check(_service().shape_for("ConversationalModelId"), model_id, "modelId"))


def _check(shape: Shape, value: Any, path: str) -> Problems:
    if getattr(shape, "is_document_type", False):
        return
    expected = _PYTHON[shape.type_name]
    if not isinstance(value, expected) or (isinstance(value, bool) and shape.type_name != "boolean"):
        yield f"{path or 'body'}: expected {shape.type_name}, got {type(value).__name__}"
        return
    check = _CHECKS.get(shape.type_name)
    if check is not None:
        yield from check(shape, value, path)


def _check_structure(shape: StructureShape, value: dict[str, Any], path: str) -> Problems:
    members = shape.members
    for name in value.keys() - members.keys():
        yield f"{_at(path, name)}: unknown member"
    for name in shape.required_members:
        if name not in value:
            yield f"{_at(path, name)}: required"
    if getattr(shape, "is_tagged_union", False) and len(value.keys() & members.keys()) != 1:
        yield f"{path}: a union must have exactly one member, this has {sorted(value)}"
    for name in value.keys() & members.keys():
        yield from _check(members[name], value[name], _at(path, name))


def _check_list(shape: ListShape, value: list[Any], path: str) -> Problems:
    yield from _check_range(shape, len(value), f"{path}: the number of items")
    for index, item in enumerate(value):
        yield from _check(shape.member, item, _at(path, str(index)))


def _check_map(shape: MapShape, value: dict[str, Any], path: str) -> Problems:
    yield from _check_range(shape, len(value), f"{path}: the number of entries")
    for key, item in value.items():
        yield from _check(shape.key, key, f"{path} key")
        yield from _check(shape.value, item, _at(path, key))


def _check_string(shape: Shape, value: str, path: str) -> Problems:
    yield from _check_range(shape, len(value), f"{path}: the length")
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        yield f"{path}: {value!r} is not one of {allowed}"
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        yield f"{path}: {value!r} does not match {pattern}"


def _check_number(shape: Shape, value: float, path: str) -> Problems:
    yield from _check_range(shape, value, f"{path}: the value")


def _check_blob(shape: Shape, value: str, path: str) -> Problems:
    try:
        size = len(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError):
        yield f"{path}: not base64"
        return
    yield from _check_range(shape, size, f"{path}: the size in bytes")


def _check_range(shape: Shape, value: float, what: str) -> Problems:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if (low is not None and value < low) or (high is not None and value > high):
        yield f"{what} is {value}, allowed are {low} to {high}"


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _decoded(shape: Shape, value: Any) -> Any:
    """The value as a Python caller of botocore would give it: blobs as bytes."""
    if getattr(shape, "is_document_type", False):
        return value
    if isinstance(shape, StructureShape):
        return {name: _decoded(shape.members[name], item) for name, item in value.items()}
    if isinstance(shape, ListShape):
        return [_decoded(shape.member, item) for item in value]
    if isinstance(shape, MapShape):
        return {key: _decoded(shape.value, item) for key, item in value.items()}
    return base64.b64decode(value) if shape.type_name == "blob" else value


_PYTHON: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "blob": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (str, int, float),
}

_CHECKS: dict[str, Callable[[Any, Any, str], Problems]] = {
    "structure": _check_structure,
    "list": _check_list,
    "map": _check_map,
    "string": _check_string,
    "blob": _check_blob,
    "integer": _check_number,
    "long": _check_number,
    "float": _check_number,
    "double": _check_number,
}
