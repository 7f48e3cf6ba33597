import argparse
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from openclaude.cli import aws
from openclaude.demo.oracle import holds
from openclaude.simulator.bedrock_control import CATALOGUE
from openclaude.simulator.sts import ARN
from openclaude.simulator.world import World

QWEN = """
[[routes]]
match = "qwen-3-coder"
to = "bedrock"
model = "qwen.qwen3-coder-next"
region = "us-west-2"
"""
ANTHROPIC = """
[[routes]]
match = "claude-*"
to = "anthropic"
"""
MODELS = """\
model                                called by     streams  life                     profile       context     output  $ in  $ out
amazon.nova-2-lite-v1:0              us., global.  yes      active                   nova          1,000,000   64,000  0.33  2.75
meta.llama4-scout-17b-instruct-v1:0  id, us.       no       active                   llama4-scout  10,000,000  8,192   0.17  0.66
newcomer.first-model-v1:0            id            yes      active                   unknown       131,072     8,192   -     -
qwen.qwen3-coder-480b-a35b-v1:0      id            yes      legacy, ends 2027-03-30  qwen-text     262,144     16,384  0.45  1.80
qwen.qwen3-coder-next                id            yes      active                   qwen-text     262,144     16,384  0.50  1.20
"""
NOWHERE = {"AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(aws_services=True) as running:
        # The profile of Claude is somebody else's to change.
        running.control.models = tuple(offer for offer in CATALOGUE if offer.provider != "Anthropic")
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "oc").mkdir(mode=0o700)
    return tmp_path


def ran(
    folder: Path,
    *arguments: str,
    config: str = QWEN,
    env: Mapping[str, str] | None = None,
    world: World | None = None,
) -> tuple[int, str, str]:
    (folder / "oc" / "config.toml").write_text(config)
    parser = argparse.ArgumentParser()
    aws.add_parser(parser.add_subparsers())
    flags = [flag for entry in world.connect_to for flag in ("--connect-to", entry)] if world else []
    roots = ["--ca-file", str(world.ca_file)] if world else []
    args = parser.parse_args(["aws", *arguments, *flags, *roots])
    variables = {"HOME": str(folder), "OPENCLAUDE_HOME": str(folder / "oc"), **(env or {})}
    stdout, stderr = io.StringIO(), io.StringIO()
    code = aws.run(args, env=variables, stdout=stdout, stderr=stderr)
    return code, stdout.getvalue(), stderr.getvalue()


def test_the_policy_is_on_stdout_and_what_to_do_with_it_on_stderr(folder: Path) -> None:
    code, stdout, stderr = ran(folder, "policy")
    assert code == 0
    assert (
        stdout
        == """\
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "InvokeModels",
      "Effect": "Allow",
      "Action": [
        "bedrock:InvokeModel",
        "bedrock:InvokeModelWithResponseStream"
      ],
      "Resource": [
        "arn:aws:bedrock:us-west-2::foundation-model/qwen.qwen3-coder-next"
      ]
    }
  ]
}
"""
    )
    assert stderr == (
        "openclaude: attach it to the user or role that the routes sign as (IAM console: Add permissions, Create inline "
        "policy, JSON); streamed answers need the second action, InvokeModelWithResponseStream\n"
    )


def test_the_policys_options_add_their_statements(folder: Path) -> None:
    profile = QWEN.replace("qwen.qwen3-coder-next", "us.amazon.nova-2-lite-v1:0")
    options = ("--account", "111122223333", "--read-models", "--api-key")
    code, stdout, stderr = ran(folder, "policy", *options, config=profile)
    assert code == 0
    assert [statement["Sid"] for statement in json.loads(stdout)["Statement"]] == [
        "InvokeModels",
        "LookModelsUp",
        "UseApiKey",
    ]
    assert ":111122223333:inference-profile/" in stdout
    assert stderr.count("\n") == 1


def test_an_api_key_in_the_environment_is_allowed_where_a_route_would_send_it(folder: Path) -> None:
    env = {"AWS_BEARER_TOKEN_BEDROCK": "an-invented-key"}
    code, stdout, stderr = ran(folder, "policy", env=env)
    assert code == 0
    assert json.loads(stdout)["Statement"][-1] == {
        "Sid": "UseApiKey",
        "Effect": "Allow",
        "Action": ["bedrock:CallWithBearerToken"],
        "Resource": ["*"],
    }
    assert "AWS_BEARER_TOKEN_BEDROCK is set, and routes without a profile send it" in stderr
    assert "an-invented-key" not in stdout + stderr
    code, stdout, stderr = ran(folder, "policy", env=env, config=f'{QWEN}profile = "work"\n')
    assert "CallWithBearerToken" not in stdout + stderr


def test_the_stand_in_of_the_account_is_mentioned(folder: Path) -> None:
    profile = QWEN.replace("qwen.qwen3-coder-next", "us.amazon.nova-2-lite-v1:0")
    assert ran(folder, "policy", config=profile)[2].endswith(
        "openclaude: `*` stands for your account in ARNs of what it owns; --account writes its 12 digits instead\n"
    )


def test_without_a_bedrock_route_there_is_no_policy(folder: Path) -> None:
    assert ran(folder, "policy", config=ANTHROPIC) == (
        1,
        "",
        (
            "openclaude: no route goes to Bedrock, so no policy is needed\n"
            'hint: add a route with to = "bedrock" to config.toml (`openclaude config path`)\n'
        ),
    )


def test_an_account_that_is_none_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        ran(folder, "policy", "--account", "my-account")
    assert "an account is 12 digits, as `aws sts get-caller-identity` shows it" in capsys.readouterr().err


def test_a_configuration_with_problems_is_shown_with_them(folder: Path) -> None:
    code, stdout, stderr = ran(folder, "check", config="[gateway]\nport = 0\n")
    assert (code, stdout) == (2, "")
    assert "gateway.port: must be between 1 and 65535" in stderr


def test_a_check_without_a_problem_says_so(folder: Path, world: World) -> None:
    code, stdout, stderr = ran(folder, "check", env=world.aws_env(), world=world)
    assert (code, stderr) == (0, "openclaude: no problem was found\n")
    assert [line.split()[:2] for line in stdout.splitlines()] == [
        ["ok", name]
        for name in ("credentials", "identity", "clock", "region", "access", "Converse", "ConverseStream")
    ]


def test_a_check_with_a_problem_counts_it(folder: Path, world: World) -> None:
    code, stdout, stderr = ran(folder, "check", env=NOWHERE, world=world)
    assert (code, stderr) == (1, "openclaude: 1 of 5 steps found a problem\n")
    assert stdout.startswith("problem  credentials     no AWS credentials for the Bedrock route")


def test_a_check_as_json_has_every_step(folder: Path, world: World) -> None:
    code, stdout, stderr = ran(folder, "check", "--json", env=world.aws_env(), world=world)
    found: dict[str, Any] = json.loads(stdout)
    assert (code, found["ok"], stderr) == (0, True, "")
    assert found["steps"][1] == {
        "name": "identity",
        "about": "",
        "verdict": "ok",
        "seen": f"{ARN} in account 111122223333",
        "remedy": "",
    }
    code, stdout, _ = ran(folder, "check", "--json", env=NOWHERE, world=world)
    assert (code, json.loads(stdout)["ok"]) == (1, False)


def test_another_profile_takes_the_place_of_the_routes_own(folder: Path, world: World) -> None:
    code, stdout, _ = ran(folder, "check", "--profile", "gone", env=world.aws_env(), world=world)
    assert code == 1
    assert stdout.startswith("problem  credentials     AWS profile 'gone' is in neither ")


def test_the_models_are_a_table_with_the_limits_and_prices(folder: Path, world: World) -> None:
    code, stdout, stderr = ran(folder, "models", env=world.aws_env(), world=world)
    assert (code, stdout) == (0, MODELS)
    assert stderr == (
        "openclaude: 5 models of us-west-2 that answer with text; left out, without text: 1\n"
        "openclaude: called by: `id` as it is, `us.` with that prefix. Context and output are openClaude's limits, in "
        "tokens\n"
        "openclaude: prices are about: USD per million tokens, checked Nov 2026\n"
    )


def test_the_models_as_json_have_the_ids_a_route_can_name(folder: Path, world: World) -> None:
    code, stdout, stderr = ran(folder, "models", "--json", env=world.aws_env(), world=world)
    assert (code, stderr) == (0, "")
    found = json.loads(stdout)
    assert (found["region"], found["prices_checked"]) == ("us-west-2", "Nov 2026")
    assert found["models"][0] == {
        "id": "amazon.nova-2-lite-v1:0",
        "provider": "Amazon",
        "called_by": ["us.amazon.nova-2-lite-v1:0", "global.amazon.nova-2-lite-v1:0"],
        "streams": True,
        "on_demand": False,
        "inference_profiles": ["us.amazon.nova-2-lite-v1:0", "global.amazon.nova-2-lite-v1:0"],
        "active": True,
        "ends": None,
        "profile": "nova",
        "context": 1_000_000,
        "max_output": 64_000,
        "usd_per_million": {"input": 0.33, "output": 2.75},
    }
    assert found["models"][2]["usd_per_million"] is None


def test_the_region_of_the_environment_counts_when_no_route_has_one(folder: Path, world: World) -> None:
    code, stdout, _ = ran(folder, "models", config=ANTHROPIC, env=world.aws_env(), world=world)
    assert (code, stdout) == (0, MODELS)


MODEL_PROBLEMS = [
    pytest.param(
        ANTHROPIC,
        {},
        "openclaude: no region is known: no route goes to Bedrock\nhint: name one with --region\n",
        id="no region",
    ),
    pytest.param(
        QWEN.replace('region = "us-west-2"', 'region = "us-west-2"\nprofile = "gone"'),
        NOWHERE,
        "openclaude: AWS profile 'gone' is in neither {home}/.aws/config nor {home}/.aws/credentials\n"
        "hint: aws configure --profile gone, aws sso login --profile gone\n",
        id="no credentials",
    ),
]


@pytest.mark.parametrize(("config", "env", "said"), MODEL_PROBLEMS)
def test_what_keeps_the_models_from_being_listed_is_said(
    folder: Path, world: World, config: str, env: dict[str, str], said: str
) -> None:
    expected = (1, "", said.format(home=folder))
    assert ran(folder, "models", config=config, env=env, world=world) == expected


def test_credentials_that_may_not_list_are_told_the_statement(folder: Path, world: World) -> None:
    world.control.denied.add("ListFoundationModels")
    code, stdout, stderr = ran(folder, "models", env=world.aws_env(), world=world)
    world.control.denied.clear()
    assert (code, stdout) == (1, "")
    assert stderr == (
        f"openclaude: User: {ARN} is not authorized to perform: bedrock:ListFoundationModels on resource: * because no "
        "identity-based policy allows the bedrock:ListFoundationModels action\n"
        'hint: allow {"Effect":"Allow","Action":"bedrock:ListFoundationModels","Resource":"*"}\n'
    )


def test_a_control_plane_that_cannot_be_reached_is_named(folder: Path, world: World) -> None:
    led = "bedrock.eu-west-9.amazonaws.com:443=127.0.0.1:1"
    code, stdout, stderr = ran(
        folder, "models", "--region", "eu-west-9", "--connect-to", led, env=world.aws_env(), world=world
    )
    assert (code, stdout) == (1, "")
    assert stderr == (
        "openclaude: https://bedrock.eu-west-9.amazonaws.com cannot be reached (connection refused)\n"
        "hint: check the network, and that Bedrock is offered in eu-west-9\n"
    )


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (
            ("--connect-to", "nonsense"),
            2,
            "openclaude: --connect-to 'nonsense': the form is HOST:PORT=ADDR:PORT\n",
        ),
        (("--ca-file", "/nonexistent"), 1, "openclaude: the root certificates cannot be read: "),
    ],
    ids=["redirection", "root certificates"],
)
def test_flags_that_cannot_be_used_are_named(
    folder: Path, flags: tuple[str, ...], code: int, said: str
) -> None:
    found = ran(folder, "check", *flags)
    assert found[:2] == (code, "")
    assert found[2].startswith(said)


@pytest.mark.parametrize("command", [("check",), ("check", "--json"), ("models",), ("models", "--json")])
def test_no_command_prints_a_key(folder: Path, world: World, command: tuple[str, ...]) -> None:
    env = world.aws_env()
    code, stdout, stderr = ran(folder, *command, env=env, world=world)
    assert code == 0
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        assert not holds((stdout + stderr).encode(), env[name])
