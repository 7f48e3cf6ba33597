"""Small clean-ups of what is nested in a request: cache marks, tool schemas, members a block may not have."""

from typing import Any, Final

from openclaude.adapters.bedrock_converse.pieces import Json, string

_TTLS: Final = ("5m", "1h")
_SCHEMA_MAPS: Final = frozenset(
    {"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"}
)
_SCHEMA_LISTS: Final = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_SCHEMAS: Final = frozenset(
    {
        "additionalItems",
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)


def with_cache_control(block: Json, *, ttl: bool) -> Json:
    """The block with a `cache_control` Bedrock takes: `type`, and `ttl` where the model knows it. `block` is kept."""
    if "cache_control" not in block:
        return block
    control = cache_control(block["cache_control"], ttl=ttl)
    if control is not None:
        return {**block, "cache_control": control}
    return {key: value for key, value in block.items() if key != "cache_control"}


def cache_control(value: Any, *, ttl: bool) -> Json | None:
    """A cache mark with the members Bedrock knows (`scope` is none of them); None when it marks nothing it knows."""
    if not isinstance(value, dict) or string(value.get("type")) not in ("", "ephemeral"):
        return None
    kept = {"type": "ephemeral"}
    if ttl and value.get("ttl") in _TTLS:
        kept["ttl"] = value["ttl"]
    return kept


def kept(block: Json, members: frozenset[str]) -> Json:
    """The members of a block that its kind has; an empty one counts as absent."""
    return {key: value for key, value in block.items() if key in members and value is not None}


def object_schema(value: Any) -> Json:
    """A tool's schema: an object at its root, `custom` read as object at any depth, empty properties left out.

    The walk knows where schemas stand, so a default or an enum that looks like a schema is left alone.
    """
    schema = _schema(value) if isinstance(value, dict) else {}
    return schema if schema.get("type") == "object" else {**schema, "type": "object"}


def _schema(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    return {
        key: _member(key, value)
        for key, value in node.items()
        if value is not None or key not in ("properties", "required")
    }


def _member(key: str, value: Any) -> Any:
    if key == "type":
        return "object" if value == "custom" else value
    if key in _SCHEMA_MAPS and isinstance(value, dict):
        return {name: _schema(sub) for name, sub in value.items()}
    if (key in _SCHEMA_LISTS or key == "items") and isinstance(value, list):
        return [_schema(item) for item in value]
    return _schema(value) if key in _SCHEMAS else value
