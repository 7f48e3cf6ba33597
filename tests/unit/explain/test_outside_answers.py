"""An examiner's cases of answers, written from the contract alone, as `openclaude explain --response` shows them."""

import argparse
import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest

from openclaude.cli import explain
from support import bedrock_frames
from support.bedrock_cases import Case, name_of, outside_answers

OPTIONS = {
    "profile": "--profile",
    "operation": "--operation",
    "modelId": "--model-id",
    "region": "--region",
}


def answer_of(given: dict[str, Any]) -> dict[str, Any]:
    """What Bedrock sent, as --response takes it; `tail` is bytes behind the frames."""
    answer = {"status": given.get("status", 200), "headers": given["headers"]}
    if "frames" not in given:
        return answer | {"body": given["body"]}
    raw = bedrock_frames.encoded(given["frames"]) + base64.b64decode(given.get("tail", ""))
    return answer | {"stream_base64": base64.b64encode(raw).decode()}


def explained(folder: Path, given: dict[str, Any]) -> dict[str, Any]:
    said = {"profile": given.get("profile"), "operation": given.get("api"), **given.get("context", {})}
    flags = [part for name, option in OPTIONS.items() if said.get(name) for part in (option, said[name])]
    for name, value in (("response", answer_of(given)), ("request", given.get("request", {}))):
        (folder / name).write_text(json.dumps(value), "utf-8")
        flags += [f"--{name}", str(folder / name)]
    parser = argparse.ArgumentParser()
    explain.add_parser(parser.add_subparsers(dest="command"))
    out, err = io.StringIO(), io.StringIO()
    env = {"OPENCLAUDE_HOME": str(folder), "HOME": str(folder)}
    args = parser.parse_args(["explain", "--json", *flags])
    code = explain.run(args, env=env, stdout=out, stderr=err, stdin=io.BytesIO())
    assert (code, err.getvalue()) == (0, "")
    shown: dict[str, Any] = json.loads(out.getvalue())
    return shown


def within(expected: Any, shown: Any) -> bool:
    """Whether every member that is expected is there; a list has to be the same."""
    if isinstance(expected, dict) and isinstance(shown, dict):
        return all(name in shown and within(value, shown[name]) for name, value in expected.items())
    return bool(expected == shown)


@pytest.mark.parametrize("case", outside_answers(), ids=name_of)
def test_an_answer_is_shown_as_the_examiner_reads_the_contract(case: Case, tmp_path: Path) -> None:
    expected = dict(case["expect"])
    fragments = expected.pop("message_contains", [])
    absent = expected.pop("no_headers", [])
    expected |= expected.pop("http", {})
    shown = explained(tmp_path, case["input"])
    if case["kind"] == "error" or "error" in expected.get("body", {}):
        assert within(expected, shown)
        said = shown["body"]["error"]["message"]
        assert [part for part in fragments if part not in said] == []
        assert [name for name in absent if name in shown["headers"]] == []
    else:
        assert {name: shown[name] for name in expected if name != "headers"} == {
            name: value for name, value in expected.items() if name != "headers"
        }
        assert expected.get("headers", {}).items() <= shown.get("headers", {}).items()
