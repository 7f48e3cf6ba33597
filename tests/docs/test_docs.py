"""The pages say what the program does: each claim that can be looked up is looked up."""

import argparse
import importlib
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import openclaude
from openclaude import config
from openclaude.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
page = pytest.mark.parametrize("page", NAMES)

LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
CALL = re.compile(r"(?:^|[\s(\"$])openclaude ([a-z]+)\b([^`\n]*)")
SOURCE = re.compile(
    r"`((?:domain|wire|adapters|credentials|gateway|edge|launcher|config|cli|simulator)/[\w/]+)(\.[\w.]+)?"
)


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def section(name: str, heading: str) -> str:
    """The text below a heading, up to the next one of the same or a higher level."""
    level = heading.partition(" ")[0]
    _, found, rest = f"\n{text(name)}".partition(f"\n{heading}\n")
    assert found, f"{name} has no heading {heading!r}"
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def blocks(name: str, language: str) -> list[str]:
    return [body for found, body in FENCE.findall(text(name)) if found == language]


def code(name: str) -> list[str]:
    """Every code span, and every line of a code block."""
    whole = text(name)
    fenced = [line for _, body in FENCE.findall(whole) for line in body.splitlines()]
    prose = FENCE.sub("", whole)
    indented = [line.strip() for line in prose.splitlines() if line.startswith("    ")]
    return [*SPAN.findall(prose), *fenced, *indented]


def first_column(table: str) -> list[str]:
    return [
        row.split("|")[1].strip() for row in table.splitlines() if row.startswith("| ") and "---" not in row
    ]


# links


def anchors(name: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text(name)), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@page
def test_every_relative_link_leads_somewhere(page: str) -> None:
    for link in LINK.findall(text(page)):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.is_file(), f"{page} links to {link}"
        if anchor:
            assert anchor in anchors(str(target.resolve().relative_to(ROOT)))


@page
def test_every_page_can_be_reached_from_the_readme(page: str) -> None:
    reached, waiting = set(), ["README.md"]
    while waiting:
        name = waiting.pop()
        if name in reached or not name.endswith(".md"):
            continue
        reached.add(name)
        links = [link.partition("#")[0] for link in LINK.findall(text(name)) if "://" not in link]
        waiting += [str(((ROOT / name).parent / link).resolve().relative_to(ROOT)) for link in links if link]
    assert page in reached


# commands and options


def parser_of(command: str) -> argparse.ArgumentParser:
    subparsers = argparse.ArgumentParser().add_subparsers()
    importlib.import_module(f"openclaude.cli.{command}").add_parser(subparsers)
    found: argparse.ArgumentParser = subparsers.choices[command]
    return found


def sub_commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    return {
        name: child
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for name, child in action.choices.items()
    }


def options_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Every option a user may give, those of sub-commands included."""
    for action in parser._actions:
        if action.help != argparse.SUPPRESS and "--help" not in action.option_strings:
            yield from action.option_strings
    for child in sub_commands(parser).values():
        yield from options_of(child)


OPTIONS = [
    pytest.param(command, option, id=f"{command} {option}")
    for command in COMMANDS
    for option in options_of(parser_of(command))
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme_and_has_a_section(command: str) -> None:
    assert re.search(rf"`(openclaude )?{command}\b", section("README.md", "## Commands"))
    assert section("docs/commands.md", f"## `openclaude {command}`").strip()


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_every_option_is_in_the_section_of_its_command(command: str, option: str) -> None:
    assert re.search(rf"`{option}[` ]", section("docs/commands.md", f"## `openclaude {command}`"))


@pytest.mark.parametrize("command", [name for name in COMMANDS if sub_commands(parser_of(name))])
def test_every_sub_command_is_documented(command: str) -> None:
    for name in sub_commands(parser_of(command)):
        assert f"`openclaude {command} {name}" in section("docs/commands.md", f"## `openclaude {command}`")


@pytest.mark.parametrize("command", COMMANDS)
def test_no_option_is_documented_that_does_not_exist(command: str) -> None:
    cells = first_column(section("docs/commands.md", f"## `openclaude {command}`"))
    named = {option for cell in cells for option in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", cell)}
    assert named <= set(options_of(parser_of(command)))


@pytest.mark.parametrize("option", ["--isolated", "--version", "--help", "-h"])
def test_the_options_without_a_command_are_those_of_the_help(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    importlib.import_module("openclaude.cli.main").main(["--help"])
    assert option in capsys.readouterr().out
    assert f"`{option}`" in section("docs/commands.md", "## `openclaude`")


@page
def test_every_call_of_openclaude_that_is_shown_exists(page: str) -> None:
    for command, rest in (match for span in code(page) for match in CALL.findall(span)):
        assert command in COMMANDS, f"{page} shows `openclaude {command}{rest}`"
        known = set(options_of(parser_of(command))) | {"--help"}
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", rest)) <= known
        first = (rest.split() or [""])[0]
        if sub_commands(parser_of(command)) and first.islower():
            assert first.strip(".,") in sub_commands(parser_of(command))


def test_a_call_that_does_not_exist_would_be_noticed() -> None:
    shown = [
        "openclaude physician",
        'eval "$(openclaude env)"',
        "pip uninstall openclaude",
        "openclaude -p stop",
    ]
    assert [found[0] for span in shown for found in CALL.findall(span)] == ["physician", "env"]


@pytest.mark.parametrize("code", ["0", "1", "2", "3", "126, 127", "130"])
def test_the_exit_codes_are_listed(code: str) -> None:
    assert code in first_column(text("docs/commands.md"))


# code blocks


@page
def test_every_toml_block_is_a_configuration_without_problems(page: str) -> None:
    for block in blocks(page, "toml"):
        assert config.parse(block, page).normalised == ()


@page
def test_every_json_block_is_a_policy_with_both_actions_on_the_model(page: str) -> None:
    for block in blocks(page, "json"):
        for statement in json.loads(block)["Statement"]:
            assert statement["Effect"] == "Allow"
            assert statement["Action"] == ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
            resources = statement["Resource"]
            for resource in [resources] if isinstance(resources, str) else resources:
                assert re.fullmatch(
                    r"arn:aws:bedrock:[a-z0-9-]+:\d*:(foundation-model|inference-profile)/.+", resource
                )


@pytest.mark.parametrize("name", ["README.md", "docs/aws.md"])
def test_the_policy_is_about_the_model_of_the_default_route(name: str) -> None:
    route = config.parse(config.PRESETS["mixed"], "mixed").routes[-1]
    [statement] = json.loads(blocks(name, "json")[0])["Statement"]
    assert statement["Resource"] == f"arn:aws:bedrock:{route.region}::foundation-model/{route.model}"
    assert f"--region {route.region} --model-id {route.model}" in text(name)


# the build


def make_targets() -> set[str]:
    found = re.search(r"^\.PHONY: (.+)$", text("Makefile"), re.MULTILINE)
    assert found is not None
    return set(found[1].split())


@page
def test_every_make_target_that_is_named_exists(page: str) -> None:
    for span in code(page):
        if span.startswith("make "):
            words = [word for word in span.split("#")[0].split()[1:] if "=" not in word]
            assert set(words) <= make_targets(), f"{page} shows `{span}`"


def test_every_make_target_with_a_description_is_in_the_contributors_table() -> None:
    described = set(re.findall(r"^([a-z-]+):.*##", text("Makefile"), re.MULTILINE)) - {"help"}
    listed = {cell.strip("`") for cell in first_column(section("CONTRIBUTING.md", "## Commands"))}
    assert {f"make {target}" for target in described} == listed - {"command"}


# references to code and tests


@page
def test_every_test_that_is_named_exists(page: str) -> None:
    for path, name in re.findall(r"`((?:tests|typing_tests)/[\w/]+\.py)(?:::(\w+))?`", text(page)):
        assert (ROOT / path).is_file(), f"{page} names {path}"
        assert not name or re.search(rf"^(async )?def {name}\(", text(path), re.MULTILINE), (
            f"{page} names {name}"
        )


@page
def test_every_module_that_is_named_exists(page: str) -> None:
    for path, rest in SOURCE.findall(text(page)):
        place = ROOT / "src" / "openclaude" / path
        if rest in (".py", ".toml"):
            assert place.with_name(place.name + rest).is_file(), f"{page} names {path}{rest}"
        else:
            named(f"openclaude.{path.strip('/').replace('/', '.')}{rest}")


def named(dotted: str) -> Any:
    """What a dotted name stands for: a module, or an attribute in one."""
    module, *attributes = re.split(r"(?<=[a-z])\.(?=[A-Z])|\.(?=[a-z_]+$)", dotted, maxsplit=1)
    try:
        found: Any = importlib.import_module(dotted)
    except ModuleNotFoundError:
        found = importlib.import_module(module)
        for attribute in ".".join(attributes).split("."):
            found = getattr(found, attribute)
    return found


# the architecture


def test_the_layers_are_those_of_the_import_contract() -> None:
    contracts = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    rows = first_column(section("ARCHITECTURE.md", "## Layers"))[1:]
    assert [re.findall(r"`(\w+)`", row) for row in rows] == [names for names in map(present, layers) if names]


def present(layer: str) -> list[str]:
    """The modules of a layer; one in brackets may be missing from the tree."""
    folder = ROOT / "src" / "openclaude"
    names = layer.split(" | ")
    return [
        name.strip("()")
        for name in names
        if name[0] != "(" or (folder / name.strip("()") / "__init__.py").exists()
    ]


def test_every_runtime_package_has_its_reason() -> None:
    locked = set(re.findall(r"^([a-z0-9-]+)==", text("requirements/runtime.txt"), re.MULTILINE))
    rows = first_column(section("ARCHITECTURE.md", "## Dependencies"))[1:]
    assert {name for row in rows for name in re.findall(r"`([\w-]+)`", row)} == locked
    assert len(locked) == 11
    assert "eleven packages" in text("README.md")


def test_the_credential_types_exist() -> None:
    rows = first_column(section("ARCHITECTURE.md", "## Credential types"))[1:]
    modules = [
        importlib.import_module(f"openclaude.{name}") for name in ("domain.http", "credentials.sealed")
    ]
    modules.append(importlib.import_module("openclaude.credentials.policies"))
    for row in rows:
        assert any(hasattr(module, row.strip("`")) for module in modules), row


def test_the_newest_entry_of_the_changelog_is_this_version() -> None:
    versions = re.findall(r"^## \[([^\]]+)\]", text("CHANGELOG.md"), re.MULTILINE)
    assert versions[0] == openclaude.__version__
