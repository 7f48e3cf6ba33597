import dataclasses
import tomllib
from pathlib import Path

import pytest

from openclaude.adapters.profiles import Profile
from openclaude.config import PRESETS
from openclaude.config.schema import CAPABILITIES, ROUTES, TABLES, Key

DOCUMENT = Path(__file__).parents[3] / "docs" / "configuration.md"
EVERY = {**TABLES, "routes.capabilities": CAPABILITIES}
KEYS = [
    pytest.param(table, name, key, id=f"{table}.{name}")
    for table, keys in EVERY.items()
    for name, key in keys.items()
]


@pytest.mark.parametrize(("table", "name", "key"), KEYS)
def test_every_key_is_documented_with_its_type(table: str, name: str, key: Key) -> None:
    kind = {int: "integer", float: "number", str: "string", bool: "boolean", list: "array", dict: "table"}[
        key.kind
    ]
    rows = section(f"[[{table}]]" if table == "routes" else f"[{table}]")
    assert [row for row in rows if row.startswith(f"| `{name}` | {kind} |")], f"{table}.{name} has no row"


@pytest.mark.parametrize("table", list(EVERY))
def test_no_other_key_is_documented(table: str) -> None:
    rows = section(f"[[{table}]]" if table == "routes" else f"[{table}]")
    assert {row.split("`")[1] for row in rows if row.startswith("| `")} == EVERY[table].keys()


@pytest.mark.parametrize(("table", "name", "key"), KEYS)
def test_the_example_of_a_key_is_right(table: str, name: str, key: Key) -> None:
    value = tomllib.loads(f"x = {key.example}")["x"]
    assert type(value) is key.kind
    assert key.check(value) is None


def test_every_kind_of_route_is_a_destination_and_has_keys_of_the_table() -> None:
    for to, keys in ROUTES.items():
        assert TABLES["routes"]["to"].check(to) is None
        assert keys.items() <= TABLES["routes"].items()


def test_every_member_of_a_profile_is_a_capability_or_a_key_of_the_route() -> None:
    members = {entry.name for entry in dataclasses.fields(Profile)}
    of_the_route = {"via", "reasoning_effort", "service_tier", "base_model"}
    assert members - of_the_route - {"name", "prefixes"} == CAPABILITIES.keys()
    assert of_the_route - {"reasoning_effort"} <= TABLES["routes"].keys()


@pytest.mark.parametrize("preset", list(PRESETS))
def test_every_preset_is_documented(preset: str) -> None:
    assert f"--preset {preset}" in DOCUMENT.read_text()


def section(header: str) -> list[str]:
    """The lines of the document below the heading that names a table."""
    _, _, rest = DOCUMENT.read_text().partition(f"\n## `{header}`")
    return rest.partition("\n## ")[0].splitlines()
