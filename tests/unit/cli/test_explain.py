import argparse
import base64
import io
import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from openclaude.cli import explain
from support import bedrock_frames
from support.bedrock_cases import Case, more_requests, name_of

CONFIG = """
[slots]
haiku = "qwen-3-coder"

[[routes]]
match = "claude-*"
to = "anthropic"

[[routes]]
match = "qwen-3-coder"
to = "bedrock"
model = "qwen.qwen3-coder-next"
region = "us-west-2"
profile = "openclaude"
"""
HI = [{"role": "user", "content": "hi"}]
QWEN = {"model": "qwen-3-coder[1m]", "max_tokens": 32000, "messages": HI, "stream": True}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.toml").write_text(CONFIG)
    return tmp_path


def run(
    folder: Path, *arguments: str, stdin: object = b"", env: dict[str, str] | None = None
) -> tuple[int, str, str]:
    """Exit code, stdout and stderr; `stdin` is bytes or a value to be sent as JSON."""
    parser = argparse.ArgumentParser(prog="openclaude", allow_abbrev=False)
    explain.add_parser(parser.add_subparsers(dest="command"))
    args = parser.parse_args(["explain", *arguments])
    raw = stdin if isinstance(stdin, bytes) else json.dumps(stdin).encode()
    out, err = io.StringIO(), io.StringIO()
    where = {"OPENCLAUDE_HOME": str(folder), "HOME": str(folder), **(env or {})}
    code = explain.run(args, env=where, stdout=out, stderr=err, stdin=io.BytesIO(raw))
    return code, out.getvalue(), err.getvalue()


def shown(folder: Path, *arguments: str, stdin: object = b"", code: int = 0) -> dict[str, Any]:
    found, out, err = run(folder, *arguments, stdin=stdin)
    assert (found, err) == (code, "")
    value: dict[str, Any] = json.loads(out)
    return value


def written(folder: Path, name: str, value: object) -> str:
    path = folder / name
    path.write_text(json.dumps(value), "utf-8")
    return str(path)


def test_the_text_shows_route_reason_notes_and_the_request_without_a_credential(folder: Path) -> None:
    code, out, err = run(folder, stdin={**QWEN, "top_k": 40})
    assert (code, err) == (0, "")
    assert (
        out
        == f"""\
model       qwen-3-coder[1m]
routed as   qwen-3-coder
route       qwen-3-coder
reason      `qwen-3-coder[1m]` is routed as `qwen-3-coder`; the first route that matches is `qwen-3-coder` ({folder}/config.toml:9); `claude-*` before it did not match
kind        other
credential  AWS signature with keys from AWS profile openclaude
operation   ConverseStream
model id    qwen.qwen3-coder-next

notes
  max_tokens_clamped  max_tokens is more than this model gives; its limit is sent
  top_k_dropped       this model takes no top_k here

POST https://bedrock-runtime.us-west-2.amazonaws.com/model/qwen.qwen3-coder-next/converse-stream
host: bedrock-runtime.us-west-2.amazonaws.com
content-type: application/json
accept: application/vnd.amazon.eventstream
accept-encoding: identity
content-length: 94
x-amz-date: <the time of sending>
x-amz-security-token: <the session token, when the keys have one>
authorization: <AWS4-HMAC-SHA256 signature>

{{
  "messages": [
    {{
      "role": "user",
      "content": [
        {{
          "text": "hi"
        }}
      ]
    }}
  ],
  "inferenceConfig": {{
    "maxTokens": 16384
  }}
}}
"""
    )


def test_json_has_the_route_the_reason_and_the_upstream_request(folder: Path) -> None:
    found = shown(folder, "--json", stdin=QWEN)
    assert list(found) == [
        "route",
        "reason",
        "model",
        "normalised",
        "decision",
        "kind",
        "needs",
        "fallback",
        "upstream",
        "credential",
        "operation",
        "modelId",
        "body",
        "notes",
    ]
    assert list(found["upstream"]) == ["method", "url", "headers", "body"]
    assert found["upstream"]["body"] == found["body"]
    assert (found["route"], found["model"], found["normalised"]) == (
        "qwen-3-coder",
        "qwen-3-coder[1m]",
        "qwen-3-coder",
    )
    assert found["notes"] == ["max_tokens_clamped"]


def test_a_rejected_request_ends_with_3_and_the_text_names_the_route_that_rejected_it(folder: Path) -> None:
    body = {**QWEN, "messages": []}
    code, out, _ = run(folder, stdin=body)
    assert code == 3
    assert "route       qwen-3-coder\n" in out
    assert out.endswith(
        "rejected with 400 invalid_request_error:\nmessages: Input should be a list with at least one message\n"
    )
    assert shown(folder, "--json", stdin=body, code=3) == {
        "reject": {
            "status": 400,
            "type": "invalid_request_error",
            "message": "messages: Input should be a list with at least one message",
        },
        "notes": [],
    }


def test_a_file_is_read_like_stdin(folder: Path) -> None:
    path = written(folder, "request.json", QWEN)
    assert shown(folder, "--json", path) == shown(folder, "--json", "-", stdin=QWEN)


def test_a_profile_needs_neither_route_nor_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("not toml")
    assert shown(tmp_path, "--profile", "qwen-vl", stdin={**QWEN, "max_tokens": 5}) == {
        "operation": "ConverseStream",
        "modelId": "qwen.qwen3-vl-235b-a22b",
        "body": {
            "messages": [{"role": "user", "content": [{"text": "hi"}]}],
            "inferenceConfig": {"maxTokens": 5},
        },
        "notes": [],
    }


def test_betas_come_from_their_own_option_or_from_a_header(folder: Path) -> None:
    flags = ("--profile", "claude", "--operation", "Converse")
    by_option = shown(folder, *flags, "--beta", "context-1m-2025-08-07", "--beta", "made-up", stdin=QWEN)
    by_header = shown(folder, *flags, "--header", "Anthropic-Beta: context-1m-2025-08-07,made-up", stdin=QWEN)
    assert by_option == by_header
    assert by_option["body"]["additionalModelRequestFields"] == {"anthropic_beta": ["context-1m-2025-08-07"]}
    assert by_option["notes"] == ["beta_dropped:made-up"]


def test_an_answer_is_explained_for_the_profile_of_the_options(folder: Path) -> None:
    denied = {
        "status": 403,
        "headers": {"x-amzn-errortype": "AccessDeniedException"},
        "body": {"message": "no"},
    }
    path = written(folder, "answer.json", denied)
    options = ("--model-id", "us.amazon.nova-2-lite-v1:0", "--region", "eu-west-1", "--operation", "Converse")
    assert shown(folder, "--response", path, *options) == {
        "status": 403,
        "headers": {
            "content-type": "application/json",
            "request-id": "req_explain",
            "x-should-retry": "false",
        },
        "body": {
            "type": "error",
            "error": {
                "type": "permission_error",
                "message": "no (hint: Converse needs bedrock:InvokeModel on us.amazon.nova-2-lite-v1:0 in eu-west-1)",
            },
            "request_id": "req_explain",
        },
        "notes": [],
    }


def test_an_answer_without_options_is_one_of_the_route_that_takes_the_request(folder: Path) -> None:
    output = {
        "message": {"role": "assistant", "content": [{"reasoningContent": {"reasoningText": {"text": "hm"}}}]}
    }
    answer = written(folder, "a.json", {"body": {"output": output, "stopReason": "end_turn"}})
    routed = shown(folder, "--response", answer, "--request", written(folder, "r.json", QWEN))
    assert routed["headers"]["x-openclaude-upstream-model"] == "qwen.qwen3-coder-next"
    assert routed["body"]["model"] == "qwen-3-coder[1m]"
    assert routed["body"]["content"][0]["signature"] == "openclaude.v1.bedrock"
    elsewhere = written(folder, "c.json", {**QWEN, "model": "claude-opus-5-5"})
    assert (
        shown(folder, "--response", answer, elsewhere)["body"]["content"][0]["signature"]
        == "openclaude.v1.qwen"
    )


def test_an_answer_may_come_from_stdin(folder: Path) -> None:
    raw = bedrock_frames.encoded([{"event": "messageStart", "payload": {"role": "assistant"}}])
    answer = {"status": 200, "headers": {}, "stream_base64": base64.b64encode(raw).decode()}
    events = shown(folder, "--response", "-", stdin=answer)["sse"]
    assert [event["type"] for event in events] == ["message_start", "ping", "error"]


WRONG = {
    "a file that is not there": (
        ("gone.json",),
        "gone.json cannot be read: No such file or directory\nhint: name a file, or - for stdin",
    ),
    "a profile that is not there": (
        ("--profile", "qwen"),
        "there is no capability profile 'qwen'; there are ",
    ),
    "an operation that is not there": (
        ("--profile", "nova", "--operation", "Chat"),
        "there is no operation 'Chat'\nhint: there are Converse, ConverseStream, InvokeModel, ",
    ),
    "a model id that is none": (
        ("--profile", "nova", "--model-id", "../x"),
        "--model-id is not a Bedrock model id: ",
    ),
    "a request without its answer": (("--request", "-"), "--request belongs to --response\nhint: "),
    "two requests": (("-", "--response", "a", "--request", "b"), "the request is named twice\nhint: "),
    "a region for a route": (("--region", "us-east-1"), "--region says nothing about a route\nhint: "),
    "a model id for a route": (("--model-id", "x.y"), "--model-id says nothing about a route\nhint: "),
    "stdin for two things": (
        ("--response", "-", "--request", "-"),
        "stdin can be read only once\nhint: name a file for one of the two",
    ),
    "an answer that is no object": (("--response", "-"), "the answer in -: is not valid JSON: "),
    "a request that is no object": (("--response", "a", "-"), "the request in -: is not valid JSON: "),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use_ends_with_2_and_says_what_to_do(name: str, folder: Path) -> None:
    arguments, message = WRONG[name]
    stdin = b"{}" if name == "stdin for two things" else b"{"
    code, out, err = run(folder, *arguments, stdin=stdin)
    assert (code, out) == (2, "")
    assert err.startswith(f"openclaude: {message}")


def test_a_header_has_a_name_and_a_value(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(folder, "--header", "anthropic-beta", stdin=QWEN)
    assert ended.value.code == 2
    assert "argument --header: a header is written as 'name: value'" in capsys.readouterr().err


def test_a_broken_configuration_is_explained(folder: Path) -> None:
    (folder / "config.toml").write_text("[gateway]\nport = 0\n")
    code, out, err = run(folder, stdin=QWEN)
    assert (code, out) == (2, "")
    assert "gateway.port" in err


def test_a_login_that_is_given_as_a_header_is_never_printed(folder: Path) -> None:
    login = "sk-ant-" + "oat01-" + secrets.token_hex(24)
    flags = ("--header", f"x-api-key: {login}", "--header", f"cookie: {login}")
    for model in ("claude-opus-5-5", "qwen-3-coder"):
        for form in ((), ("--json",)):
            code, out, err = run(folder, *flags, *form, stdin={**QWEN, "model": model})
            assert code == 0
            assert login not in out + err


def test_a_bedrock_api_key_is_named_and_never_printed(folder: Path) -> None:
    (folder / "config.toml").write_text(CONFIG.replace('profile = "openclaude"', ""))
    key = "ABSK" + secrets.token_hex(24)
    code, out, err = run(folder, stdin=QWEN, env={"AWS_BEARER_TOKEN_BEDROCK": key})
    assert code == 0
    assert "credential  the Bedrock API key of AWS_BEARER_TOKEN_BEDROCK\n" in out
    assert "authorization: <Bearer, the Bedrock API key>\n" in out
    assert key not in out + err


def test_a_terminal_that_cannot_show_a_character_gets_its_code(folder: Path) -> None:
    raw = io.BytesIO()
    terminal = io.TextIOWrapper(raw, encoding="ascii")
    args = argparse.Namespace(
        file=None,
        json=False,
        profile=None,
        response=None,
        request=None,
        model_id=None,
        region=None,
        operation=None,
        beta=[],
        header=[],
    )
    body = json.dumps({**QWEN, "messages": [{"role": "user", "content": "naïve 你"}]}).encode()
    env = {"OPENCLAUDE_HOME": str(folder)}
    code = explain.run(args, env=env, stdout=terminal, stderr=io.StringIO(), stdin=io.BytesIO(body))
    terminal.flush()
    assert code == 0
    assert rb"na\xefve \u4f60" in raw.getvalue()


@pytest.mark.parametrize("case", more_requests(), ids=name_of)
def test_our_own_request_cases_are_explained_as_they_are_translated(folder: Path, case: Case) -> None:
    given, expected = case["input"], case["expect"]
    headers = [
        part for name, value in given.get("headers", {}).items() for part in ("--header", f"{name}: {value}")
    ]
    found = shown(
        folder,
        "--profile",
        given["profile"],
        *headers,
        stdin=given["body"],
        code=3 if "reject" in expected else 0,
    )
    if "reject" in expected:
        wanted = expected["reject"]
        assert (found["reject"]["status"], found["reject"]["type"]) == (wanted["status"], wanted["type"])
        assert wanted["message_contains"] in found["reject"]["message"]
    else:
        assert found == expected
