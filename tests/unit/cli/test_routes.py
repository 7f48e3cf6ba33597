import io
import json
from argparse import Namespace
from pathlib import Path

import pytest

from openclaude.cli import routes

CONFIG = """
[slots]
haiku = "qwen-3-coder[1m]"
sonnet = "gone"

[[routes]]
match = "claude-*"
to = "anthropic"

[[routes]]
match = "qwen-3-coder"
to = "bedrock"
model = "qwen.qwen3-coder-next"
region = "us-west-2"
profile = "openclaude"

[[routes]]
match = "gone"
to = "bedrock"
model = "qwen.qwen3-32b-v1:0"
region = "cn-north-1"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "oc"
    home.mkdir(mode=0o700)
    (home / "config.toml").write_text(CONFIG)
    return home


def shown(folder: Path, *, json: bool = False, verbose: bool = False) -> str:
    stdout, stderr = io.StringIO(), io.StringIO()
    env = {"OPENCLAUDE_HOME": str(folder), "HOME": str(folder)}
    assert (
        routes.run(Namespace(json=json, verbose=verbose, profile=None), env=env, stdout=stdout, stderr=stderr)
        == 0
    ), stderr.getvalue()
    return stdout.getvalue()


def test_the_tables_say_where_each_model_goes_with_which_credential(folder: Path) -> None:
    assert (
        shown(folder)
        == """\
slot    model                                goes to
opus    claude-opus-5-5 (client's default)   https://api.anthropic.com
sonnet  gone                                 https://bedrock-runtime.cn-north-1.amazonaws.com.cn
haiku   qwen-3-coder                         https://bedrock-runtime.us-west-2.amazonaws.com
fable   claude-fable-5-2 (client's default)  https://api.anthropic.com

route         goes to                                              model there            credential
claude-*      https://api.anthropic.com                                                   the login the client sends
qwen-3-coder  https://bedrock-runtime.us-west-2.amazonaws.com      qwen.qwen3-coder-next  signature by AWS profile openclaude
gone          https://bedrock-runtime.cn-north-1.amazonaws.com.cn  qwen.qwen3-32b-v1:0    signature by AWS default chain

`qwen-3-coder[1m]` is used as `qwen-3-coder`
"""
    )


def test_json_has_the_same_tables(folder: Path) -> None:
    tables = json.loads(shown(folder, json=True))
    assert tables["normalised"] == {"qwen-3-coder[1m]": "qwen-3-coder"}
    assert tables["slots"][2] == {
        "slot": "haiku",
        "model": "qwen-3-coder",
        "configured": True,
        "to": "https://bedrock-runtime.us-west-2.amazonaws.com",
    }
    assert tables["routes"][0]["credential"] == "the login the client sends"


def test_a_slot_without_a_route_says_so(folder: Path) -> None:
    only = (
        '[slots]\nhaiku = "q"\n[[routes]]\nmatch = "q"\nto = "bedrock"\nmodel = "q.q"\nregion = "us-west-2"\n'
    )
    (folder / "config.toml").write_text(only)
    assert "opus    claude-opus-5-5 (client's default)    no route: 404" in shown(folder)


def test_a_broken_configuration_is_explained_with_exit_code_2(folder: Path) -> None:
    (folder / "config.toml").write_text("[gateway]\nport = 0\n")
    stderr = io.StringIO()
    env = {"OPENCLAUDE_HOME": str(folder)}
    assert (
        routes.run(
            Namespace(json=False, verbose=False, profile=None), env=env, stdout=io.StringIO(), stderr=stderr
        )
        == 2
    )
    assert "gateway.port" in stderr.getvalue()
    assert "hint: " in stderr.getvalue()


OVERRIDDEN = """
[[routes]]
match = "claude-opus-5-5"
to = "bedrock"
model = "us.anthropic.claude-opus-5-5"
region = "us-west-2"
via = "messages"

[[routes]]
match = "q"
to = "bedrock"
model = "someone.new-model-1"
region = "us-west-2"
reasoning = "low"

[routes.capabilities]
max_output = 4096
tool_choice = ["any", "auto"]
images = true
"""


def test_verbose_shows_what_each_bedrock_route_takes_its_model_for_and_marks_what_the_route_sets(
    folder: Path,
) -> None:
    (folder / "config.toml").write_text(OVERRIDDEN)
    text = shown(folder, verbose=True)
    assert "claude-opus-5-5: us.anthropic.claude-opus-5-5, profile claude-5 (* set by the route)\n" in text
    assert "q: someone.new-model-1, profile unknown (* set by the route)\n" in text
    assert "https://bedrock-mantle.us-west-2.api.aws" in text
    mine = text.partition("\nq: ")[2].splitlines()[1:]
    assert [line.split()[1] for line in mine if line.startswith("*")] == [
        "tool_choice",
        "images",
        "max_output",
        "reasoning_effort",
    ]
    assert "* max_output               4096" in mine
    assert "* tool_choice              any, auto" in mine
    assert "  cache_points             no" in mine
    assert "  base_model               none" in mine


def test_json_holds_the_profile_of_every_bedrock_route(folder: Path) -> None:
    (folder / "config.toml").write_text(CONFIG + "[routes.capabilities]\nstrict = true\n")
    first, _, last = json.loads(shown(folder, json=True))["routes"]
    assert first["profile"] is None
    assert (last["profile"]["name"], last["profile"]["overridden"]) == ("qwen-32k-window", ["strict"])
    assert last["profile"]["members"]["strict"] is True
    assert last["profile"]["members"]["colocate"] == ["document", "image", "text"]


RULED = """
[[routes]]
match = "claude-*"
to = "anthropic"
agent = false
kinds = ["title", "main"]

[[routes]]
match = "claude-*"
to = "anthropic"

[[routes]]
match = "q"
to = "bedrock"
model = "qwen.qwen3-coder-next"
region = "us-west-2"
agent = true
when_unsupported = "claude-haiku-5-5"
reroute_safeguards = true

[[routes]]
match = "q"
to = "bedrock"
model = "qwen.qwen3-coder-next"
region = "us-west-2"
"""


def test_the_table_says_which_requests_a_route_takes(folder: Path) -> None:
    (folder / "config.toml").write_text(RULED)
    taken = [line.partition("  ")[0] for line in shown(folder).partition("\nroute ")[2].splitlines()[1:]]
    assert taken == ["claude-* (no sub-agents; main, title)", "claude-*", "q (sub-agents)", "q"]


def test_verbose_says_where_requests_go_that_a_model_cannot_serve(folder: Path) -> None:
    (folder / "config.toml").write_text(RULED)
    said = [line for line in shown(folder, verbose=True).splitlines() if line.startswith("what this model")]
    assert said == [
        "what this model cannot serve (auto mode's check on the server included) goes to claude-haiku-5-5",
        "what this model cannot serve is degraded with a note or refused (when_unsupported is not set)",
    ]


def test_json_has_the_conditions_of_each_route(folder: Path) -> None:
    (folder / "config.toml").write_text(RULED)
    names = ("agent", "kinds", "when_unsupported", "reroute_safeguards")
    rows = json.loads(shown(folder, json=True))["routes"]
    assert [tuple(row[name] for name in names) for row in rows] == [
        (False, ["main", "title"], None, False),
        (None, None, None, False),
        (True, None, "claude-haiku-5-5", True),
        (None, None, None, False),
    ]


FALLING = RULED + (
    '\n[[routes]]\nmatch = "plan-*"\nto = "anthropic"\nfallback = ["q", "claude-x"]\nspill_at = 0.95\n'
)


def test_a_fallback_is_said_with_its_order_and_its_threshold(folder: Path) -> None:
    (folder / "config.toml").write_text(FALLING)
    said = [line for line in shown(folder).splitlines() if "falls back" in line]
    assert said == [
        "`plan-*` falls back to `q`, then `claude-x`, and before the plan from 95% of a window on"
    ]


def test_json_has_the_fallback_of_each_route(folder: Path) -> None:
    (folder / "config.toml").write_text(FALLING)
    rows = json.loads(shown(folder, json=True))["routes"]
    assert [(row["fallback"], row["spill_at"]) for row in rows if row["fallback"]] == [
        (["q", "claude-x"], 0.95)
    ]
