"""Schemas of tools: what Bedrock's families refuse is gone, and nothing else is."""

import json
from typing import Any

import pytest
from hypothesis import given, settings

from openclaude.adapters.bedrock_converse.schema import enforced, normalise
from support.messages_requests import SCHEMAS

OBJECT = {"type": "object"}


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        (None, {"type": "object", "properties": {}}),
        (True, {"type": "object", "properties": {}}),
        ({}, {"type": "object", "properties": {}}),
        ({"type": "string"}, {"type": "object", "properties": {}}),
        ({"type": ["object", "null"], "properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}),
        ({"type": "custom", "properties": {"a": {"type": "custom"}}}, {**OBJECT, "properties": {"a": OBJECT}}),
        ({**OBJECT, "properties": None, "required": None}, OBJECT),
        ({**OBJECT, "$id": "x", "$comment": "y"}, OBJECT),
        ({**OBJECT, "properties": {"a": True, "b": False, "c": None}}, {**OBJECT, "properties": {"a": {}, "b": {}, "c": {}}}),
        ({**OBJECT, "properties": {"a": {"pattern": "^(?!x)"}, "b": {"pattern": "^(?:x)$"}, "c": {"pattern": "(?<=a)b"}}},
         {**OBJECT, "properties": {"a": {}, "b": {"pattern": "^(?:x)$"}, "c": {}}}),
        ({**OBJECT, "patternProperties": {"(?=a)": {}, "^a": {"type": "custom"}}}, {**OBJECT, "patternProperties": {"^a": OBJECT}}),
        ({**OBJECT, "items": True, "additionalProperties": {"type": "custom"}}, {**OBJECT, "items": {}, "additionalProperties": OBJECT}),
        ({**OBJECT, "properties": {"a": {"items": [{"$id": "x"}, True]}}}, {**OBJECT, "properties": {"a": {"items": [{}, {}]}}}),
        ({"anyOf": [{"properties": {"a": {}}, "required": ["a", "b"]}, {"properties": {"b": {}}, "required": ["b"]}]},
         {**OBJECT, "properties": {"a": {}, "b": {}}, "required": ["b"]}),
        ({**OBJECT, "properties": {"z": {}}, "required": ["z"],
          "allOf": [{"properties": {"a": {}}, "required": ["a"]}, {"oneOf": [{"required": ["c"]}, {"type": "null"}]}]},
         {**OBJECT, "properties": {"z": {}, "a": {}}, "required": ["z", "a"]}),
        ({"$ref": "#/$defs/A", "$defs": {"A": {**OBJECT, "properties": {"a": {"$ref": "#/definitions/B"}}}},
          "definitions": {"B": {"type": "integer"}}}, {**OBJECT, "properties": {"a": {"type": "integer"}}}),
        ({**OBJECT, "properties": {"n": {"$ref": "#/$defs/N", "description": "d"}},
          "$defs": {"N": {"properties": {"n": {"$ref": "#/$defs/N"}}}}},
         {**OBJECT, "properties": {"n": {"properties": {"n": {}}, "description": "d"}}}),
        ({**OBJECT, "properties": {"a": {"$ref": "https://example.com/a"}, "b": {"$ref": "#/no/where"},
                                   "c": {"$ref": "#/x~1y/0"}}, "x/y": [{"type": "null"}]},
         {**OBJECT, "properties": {"a": {}, "b": {}, "c": {"type": "null"}}, "x/y": [{"type": "null"}]}),
    ],
    ids=[
        "missing", "boolean", "empty", "not-an-object", "a-list-of-types", "custom-types", "nulls", "identities",
        "booleans-as-properties", "lookaround", "pattern-properties", "open-schemas", "tuples", "any-of", "all-of",
        "references", "cycles", "dangling-references",
    ],
)  # fmt: skip
def test_what_bedrock_refuses_is_rewritten(given: Any, becomes: Any) -> None:
    assert normalise(given, closed=True) == (becomes, True)


@pytest.mark.parametrize(
    "given",
    [
        {
            **OBJECT,
            "properties": {
                "pattern": {"type": "string"},
                "$id": {"type": "string"},
                "anyOf": {"type": "array"},
            },
        },
        {**OBJECT, "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, "required": ["a"]},
        {
            **OBJECT,
            "properties": {"a": {"enum": [None, True], "default": None}},
            "additionalProperties": False,
        },
    ],
    ids=["properties-named-like-keywords", "combinators-inside", "values"],
)
def test_a_good_schema_stays_as_it_is(given: dict[str, Any]) -> None:
    assert normalise(given, closed=True) == (given, False)
    assert normalise({"$schema": "https://json-schema.org/draft/2020-12/schema", **given}, closed=True) == (
        given,
        False,
    )


def test_mistral_and_llama_get_no_additional_properties_at_any_depth() -> None:
    inner = {**OBJECT, "additionalProperties": False}
    given = {**inner, "properties": {"additionalProperties": inner}}
    assert normalise(given, closed=False) == (
        {**OBJECT, "properties": {"additionalProperties": OBJECT}},
        True,
    )


def test_references_that_double_at_every_step_stay_small() -> None:
    bomb = {
        f"L{n}": {"properties": {side: {"$ref": f"#/$defs/L{n + 1}"} for side in "ab"}} for n in range(40)
    }
    found, _ = normalise({**OBJECT, "properties": {"a": {"$ref": "#/$defs/L0"}}, "$defs": bomb}, closed=True)
    assert len(json.dumps(found)) < 2_000_000


@settings(max_examples=150, deadline=None)
@given(schema=SCHEMAS)
def test_every_schema_gets_a_plain_object_at_its_root_and_stays_that_way(schema: Any) -> None:
    before = json.dumps(schema)
    found, _ = normalise(schema, closed=True)
    assert found["type"] == "object"
    assert not {"anyOf", "oneOf", "allOf", "$ref", "$defs"} & set(found)
    assert normalise(found, closed=True) == (found, False)
    assert json.dumps(schema) == before


def test_an_enforced_schema_closes_objects_and_loses_what_enforcement_refuses() -> None:
    given = {
        "type": ["object", "null"],
        "properties": {
            "maximum": {"type": "number", "maximum": 3, "exclusiveMinimum": 0, "multipleOf": 2},
            "list": {
                "type": "array",
                "minItems": 2,
                "maxItems": 9,
                "items": {"type": "object", "properties": {}},
            },
            "one": {"minItems": 1, "anyOf": [{"type": "string"}, True]},
        },
        "$defs": {"D": {"minimum": 1}},
    }
    assert enforced(given) == {
        "type": ["object", "null"],
        "properties": {
            "maximum": {"type": "number"},
            "list": {
                "type": "array",
                "items": {"type": "object", "properties": {}, "additionalProperties": False},
            },
            "one": {"minItems": 1, "anyOf": [{"type": "string"}, True]},
        },
        "$defs": {"D": {}},
        "additionalProperties": False,
    }
