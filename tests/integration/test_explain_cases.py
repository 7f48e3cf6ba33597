"""Every contract case from the outside: `openclaude explain` as a process, with files and stdin, as a user runs it."""

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support import bedrock_frames
from support.bedrock_cases import Case, all_cases, body_of, is_invoke, name_of
from support.product import OPENCLAUDE

BY_KIND = {
    kind: [case for case in all_cases() if case["kind"] == kind]
    for kind in ("request", "response", "stream", "error")
}
REJECTED = 3


def explain(folder: Path, *arguments: str, stdin: bytes = b"") -> tuple[int, dict[str, Any]]:
    """Run the command in an empty home folder, without any AWS variable; the exit code and what it printed."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    done = subprocess.run(
        [*OPENCLAUDE, "explain", *arguments],
        env={"HOME": str(folder), "PATH": os.environ["PATH"], **kept},
        cwd=folder,
        input=stdin,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.stderr == b""
    return done.returncode, json.loads(done.stdout)


def flags_of(case: Case) -> list[str]:
    """What a case says about itself, as options."""
    given = case["input"]
    context = {"profile": given.get("profile"), "operation": given.get("api"), **given.get("context", {})}
    options = {
        "profile": "--profile",
        "operation": "--operation",
        "modelId": "--model-id",
        "region": "--region",
    }
    flags = [
        part for name, option in options.items() if context.get(name) for part in (option, context[name])
    ]
    flags += [
        part for name, value in given.get("headers", {}).items() for part in ("--header", f"{name}: {value}")
    ]
    return flags


def answer_of(case: Case) -> dict[str, Any]:
    """What a case's upstream sent, as --response takes it."""
    given = case["input"]
    if case["kind"] != "stream":
        return {name: given[name] for name in ("status", "headers", "body")}
    raw = bedrock_frames.encoded(given["frames"])
    return {"status": 200, "headers": given["headers"], "stream_base64": base64.b64encode(raw).decode()}


def messages_request(case: Case) -> dict[str, Any]:
    """A Messages request that has the tools and stop sequences a case's `request` tells of."""
    known = case["input"].get("request", {})
    return {
        "model": "route-alias",
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": case["kind"] == "stream",
        "tools": [
            {"name": name, "input_schema": {"type": "object"}}
            for name in known.get("tool_name_map", {}).values()
        ],
        "stop_sequences": known.get("stop_sequences", []),
    }


def answered(folder: Path, case: Case, request: dict[str, Any] | None) -> dict[str, Any]:
    """Explain a case's answer; the flags leave out the answer's own headers."""
    response, asked = folder / "response.json", folder / "request.json"
    response.write_text(json.dumps(answer_of(case)), "utf-8")
    flags = flags_of({**case, "input": {**case["input"], "headers": {}}})
    if request is not None:
        asked.write_text(json.dumps(request), "utf-8")
        flags += ["--request", str(asked)]
    code, shown = explain(folder, "--response", str(response), *flags)
    assert code == 0
    return shown


def without_more_pings(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events with the one ping behind `message_start` and no others."""
    kept = [event for event in events if event["type"] != "ping"]
    return [*kept[:1], {"type": "ping"}, *kept[1:]] if kept else kept


def test_every_case_is_run() -> None:
    assert {kind: len(cases) for kind, cases in BY_KIND.items()} == {
        "request": 71,
        "response": 12,
        "stream": 20,
        "error": 18,
    }
    assert sum(map(is_invoke, all_cases())) == 5


@pytest.mark.parametrize("case", BY_KIND["request"], ids=name_of)
def test_a_request_is_explained_as_the_contract_says(case: Case, tmp_path: Path) -> None:
    code, shown = explain(tmp_path, *flags_of(case), stdin=json.dumps(body_of(case)).encode())
    expected = case["expect"]
    if "reject" in expected:
        assert code == REJECTED
        assert set(shown) == {"reject", "notes"}
        assert set(shown["reject"]) == {"status", "type", "message"}
        assert shown["reject"]["status"] == expected["reject"]["status"]
        assert shown["reject"]["type"] == expected["reject"]["type"]
        assert expected["reject"]["message_contains"] in shown["reject"]["message"]
        return
    assert code == 0
    assert shown == {name: expected[name] for name in ("operation", "modelId", "body", "notes")}


@pytest.mark.parametrize("case", BY_KIND["response"], ids=name_of)
def test_an_answer_is_explained_as_the_contract_says(case: Case, tmp_path: Path) -> None:
    shown = answered(tmp_path, case, messages_request(case))
    assert set(shown) == {"status", "headers", "body", "notes"}
    assert {name: shown[name] for name in ("status", "body", "notes")} == case["expect"]


@pytest.mark.parametrize("case", BY_KIND["stream"], ids=name_of)
def test_a_stream_is_explained_as_the_contract_says(case: Case, tmp_path: Path) -> None:
    shown = answered(tmp_path, case, messages_request(case))
    expected = case["expect"]
    assert shown["notes"] == expected["notes"]
    if "http" in expected:
        assert set(shown) == {"status", "headers", "body", "notes"}
        assert shown["status"] == expected["http"]["status"]
        assert expected["http"]["headers"].items() <= shown["headers"].items()
        assert {name: shown["body"][name] for name in ("type", "error")} == expected["http"]["body"]
        return
    assert set(shown) == {"sse", "notes"}
    assert without_more_pings(shown["sse"]) == without_more_pings(expected["sse"])
    assert (shown["sse"][-1]["type"] == "message_stop") == expected["complete"]


@pytest.mark.parametrize("case", BY_KIND["error"], ids=name_of)
def test_an_error_is_explained_as_the_contract_says(case: Case, tmp_path: Path) -> None:
    shown = answered(tmp_path, case, messages_request(case))
    expected = case["expect"]
    assert set(shown) == {"status", "headers", "body", "notes"}
    assert shown["status"] == expected["status"]
    assert shown["body"]["type"] == "error"
    assert shown["body"]["error"]["type"] == expected["body"]["error"]["type"]
    message = shown["body"]["error"]["message"]
    assert [part for part in expected["message_contains"] if part not in message] == []
    assert expected["headers"].items() <= shown["headers"].items()


@pytest.mark.parametrize("case", [case for case in all_cases() if "request" in case["input"]], ids=name_of)
def test_the_state_of_a_request_is_taken_in_place_of_the_request(case: Case, tmp_path: Path) -> None:
    """A case's `request` holds what the gateway remembers of a request; `--request` understands it as well."""
    from_state = answered(tmp_path, case, case["input"]["request"])
    assert from_state == answered(tmp_path, case, messages_request(case))
    assert from_state["notes"] == case["expect"]["notes"]
