"""JSON Schemas of tools in the subset Bedrock's model families take.

The root must be an object without combinators, references must be gone, and a handful of keywords are refused. The
walk knows where schemas stand, so a property that happens to be called `pattern` or `$id` is left alone.
"""

import re
from typing import Any
from urllib.parse import unquote

from openclaude.adapters.bedrock_converse.pieces import Json

_MAPS = frozenset({"properties", "patternProperties", "dependentSchemas", "dependencies"})
_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_SINGLE = frozenset(
    {"items", "not", "if", "then", "else", "contains", "propertyNames", "contentSchema", "additionalItems"},
)
# A boolean has a meaning of its own here, and enforced schemas need the `false`.
_OPEN = frozenset({"additionalProperties", "unevaluatedProperties", "unevaluatedItems"})
_COMBINATORS = ("anyOf", "oneOf", "allOf")
_LOOKAROUND = re.compile(r"\(\?<?[=!]")
_BUDGET = 20_000
"""Schemas visited for one tool. References can double at every step; real tools stay under a thousand."""
_DEPTH = 64

# Keywords a schema that the model is held to may not use (seen live: they answer 400).
_NOT_ENFORCED = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "maxItems"},
)


def normalise(schema: Any, *, closed: bool) -> tuple[Json, bool]:
    """A tool's schema as Bedrock takes it, and whether more than `$schema` had to change.

    Args:
        schema: the client's `input_schema`, of any type.
        closed: whether the family takes `additionalProperties` (Mistral and Llama do not).
    """
    walk = _Walk(schema, keep_additional=closed)
    root = walk.schema(schema, (), 0)
    if not isinstance(schema, dict):
        walk.changed = True
    return _rooted(root, walk), walk.changed


def enforced(schema: Any, depth: int = 0) -> Any:
    """A schema for structured output: objects closed, keywords that enforcement refuses left out."""
    if isinstance(schema, list):
        return [enforced(item, depth + 1) for item in schema]
    if not isinstance(schema, dict) or depth > _DEPTH:
        return schema
    kept: Json = {}
    for key, value in schema.items():
        if key in _NOT_ENFORCED or (key == "minItems" and isinstance(value, int) and value > 1):
            continue
        if (key in _MAPS or key in ("$defs", "definitions")) and isinstance(value, dict):
            kept[key] = {name: enforced(sub, depth + 1) for name, sub in value.items()}
        elif key in _LISTS or key in _SINGLE:
            kept[key] = enforced(value, depth + 1)
        else:
            kept[key] = value
    kind = kept.get("type")
    if kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in kept:
        kept["additionalProperties"] = False
    return kept


class _Walk:
    """One schema on its way through the rules."""

    def __init__(self, root: Any, *, keep_additional: bool) -> None:
        self._root = root
        self._keep_additional = keep_additional
        self._left = _BUDGET
        self.changed = False

    def schema(self, node: Any, seen: tuple[str, ...], depth: int) -> Json:
        """A schema; `seen` are the references being inlined above it."""
        self._left -= 1
        if not isinstance(node, dict) or self._left < 0 or depth > _DEPTH:
            self.changed = True
            return {}
        if isinstance(node.get("$ref"), str):
            return self._inlined(node, seen, depth)
        kept: Json = {}
        for key, value in node.items():
            if self._drops(key, value):
                self.changed = self.changed or key != "$schema"
            else:
                kept[key] = self._member(key, value, seen, depth)
        return kept

    def _drops(self, key: str, value: Any) -> bool:
        if key in ("$schema", "$id", "$comment", "$defs", "definitions", "$ref"):
            return True
        if key == "pattern":
            return isinstance(value, str) and _LOOKAROUND.search(value) is not None
        if key == "additionalProperties" and not self._keep_additional:
            return True
        if key in _MAPS:
            return not isinstance(value, dict)
        if key in _LISTS:
            return not isinstance(value, list)
        return key == "required" and not isinstance(value, list)

    def _member(self, key: str, value: Any, seen: tuple[str, ...], depth: int) -> Any:
        if key == "type" and value == "custom":
            self.changed = True
            return "object"
        if key in _MAPS:
            return self._map(key, value, seen, depth)
        if key in _OPEN and isinstance(value, bool):
            return value
        if key in _LISTS or (key == "items" and isinstance(value, list)):
            return [self.schema(item, seen, depth + 1) for item in value]
        if key in _SINGLE or key in _OPEN:
            return self.schema(value, seen, depth + 1)
        return value

    def _map(self, key: str, value: Json, seen: tuple[str, ...], depth: int) -> Json:
        kept: Json = {}
        for name, sub in value.items():
            if key == "patternProperties" and _LOOKAROUND.search(name):
                self.changed = True
            elif key == "dependencies" and isinstance(sub, list):
                kept[name] = sub
            else:
                kept[name] = self.schema(sub, seen, depth + 1)
        return kept

    def _inlined(self, node: Json, seen: tuple[str, ...], depth: int) -> Json:
        """The referenced schema, with what stands beside the reference laid over it."""
        self.changed = True
        reference = node["$ref"]
        beside = {key: value for key, value in node.items() if key != "$ref"}
        target = None if reference in seen else self._resolve(reference)
        found = self.schema(target, (*seen, reference), depth + 1) if isinstance(target, dict) else {}
        return {**found, **self.schema(beside, seen, depth + 1)} if beside else found

    def _resolve(self, reference: str) -> Any:
        if reference != "#" and not reference.startswith("#/"):
            return None
        node = self._root
        for part in unquote(reference[1:]).split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(node, list) and name.isdecimal() and int(name) < len(node):
                node = node[int(name)]
            elif isinstance(node, dict):
                node = node.get(name)
            else:
                return None
        return node


def _rooted(root: Json, walk: _Walk) -> Json:
    """The root as a plain object: its combinators merged into `properties` and `required`."""
    merged = _merged(root)
    if merged.get("type") != "object":
        merged = {"type": "object", **{key: value for key, value in merged.items() if key != "type"}}
        if "properties" not in merged:
            merged["properties"] = {}
    walk.changed = walk.changed or merged != root
    return merged


def _merged(node: Json) -> Json:
    """`node` without anyOf, oneOf and allOf: every branch's properties, and what all of them require."""
    if not any(key in node for key in _COMBINATORS):
        return node
    kept = {key: value for key, value in node.items() if key not in _COMBINATORS}
    properties = dict(kept.get("properties", {}))
    required = list(kept.get("required", []))
    for key in _COMBINATORS:
        branches = [_merged(branch) for branch in node.get(key, [])]
        for branch in branches:
            for name, sub in branch.get("properties", {}).items():
                properties.setdefault(name, sub)
        needs = [
            [name for name in branch.get("required", []) if isinstance(name, str)] for branch in branches
        ]
        required += _union(needs) if key == "allOf" else _intersection(needs)
    kept["properties"] = properties
    kept["required"] = list(dict.fromkeys(name for name in required if isinstance(name, str)))
    if not kept["required"]:
        del kept["required"]
    return kept


def _union(lists: list[list[str]]) -> list[str]:
    return [name for names in lists for name in names]


def _intersection(lists: list[list[str]]) -> list[str]:
    return [name for name in lists[0] if all(name in other for other in lists[1:])] if lists else []
