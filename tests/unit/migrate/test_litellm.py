import textwrap
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaude import config
from openclaude.config import RouteConfig
from openclaude.migrate.deployments import read_file
from openclaude.migrate.litellm import Imported, import_files

FIRST = """\
# instance 1, port 4000
model_list:
  - model_name: claude-opus-4-6
    litellm_params:
      model: claude-opus-4-6          # elsewhere: anthropic/claude-opus-4-6
      api_base: https://api.anthropic.com/v1
      forward_client_headers_to_llm_api: true
  - model_name: claude-sonnet-4-5
    litellm_params:
      model: claude-sonnet-4-5
      api_base: https://api.anthropic.com/v1
      forward_client_headers_to_llm_api: true
  - model_name: qwen-3-coder
    litellm_params:
      model: openai/qwen-3-coder
      api_base: http://localhost:4001  # the second proxy
litellm_settings:
  drop_params: true
"""
SECOND = """\
model_list:
  - model_name: qwen-3-coder
    litellm_params:
      model: bedrock/converse/qwen.qwen3-next-80b-a3b
      aws_region_name: us-west-2
      aws_profile_name: openclaude
"""
TWO_PROXIES = """\
# openClaude: who answers which of Claude Code's tiers, and with which credential.
# Imported from LiteLLM. After a change: openclaude config check

[gateway]
port = 4000                     # on 127.0.0.1, and nowhere else

[slots]                         # what Claude Code's tiers are called on the wire
opus = "claude-opus-4-6"  # by its name
sonnet = "claude-sonnet-4-5"  # by its name
haiku = "qwen-3-coder"  # a guess: the first model that is no Claude

[[routes]]                      # from one.yaml:13 and two.yaml:2
match   = "qwen-3-coder"
to      = "bedrock"
model   = "qwen.qwen3-next-80b-a3b"
region  = "us-west-2"
profile = "openclaude"

[[routes]]                      # for claude-opus-4-6, claude-sonnet-4-5, and what else Claude Code asks of Claude
match = "claude-*"
to    = "anthropic"
"""


def imported(*texts: str, env: Mapping[str, str] | None = None) -> Imported:
    names = ("one.yaml", "two.yaml", "three.yaml")
    files = [
        read_file(name, textwrap.dedent(text), env or {}) for name, text in zip(names, texts, strict=False)
    ]
    return import_files(files, env or {})


def entry(name: str, **params: str) -> str:
    lines = [f"      {key}: {value}" for key, value in params.items()]
    return "\n".join([f"  - model_name: {name}", "    litellm_params:", *lines, ""])


def listed(*entries: str) -> str:
    return "model_list:\n" + "".join(entries)


def routes(done: Imported) -> list[tuple[str, str, str | None, str | None, str | None]]:
    def row(route: RouteConfig) -> tuple[str, str, str | None, str | None, str | None]:
        return route.match, route.to, route.model, route.region, route.profile

    return [row(route) for route in config.parse(done.text, "x").routes] if done.text else []


def said(done: Imported) -> list[tuple[int, str, str, bool]]:
    return [(remark.line, remark.what, remark.reason, remark.lost) for remark in done.remarks]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["first proxy first", "second proxy first"])
def test_two_proxies_become_one_bedrock_route(order: tuple[int, int]) -> None:
    files = [read_file("one.yaml", FIRST, {}), read_file("two.yaml", SECOND, {})]
    done = import_files([files[place] for place in order], {})
    assert done.text == TWO_PROXIES
    assert done.remarks == []


def test_a_second_proxy_whose_file_is_not_given_is_a_model_left_out() -> None:
    done = imported(FIRST)
    assert [route[0] for route in routes(done)] == ["claude-*"]
    assert said(done) == [
        (
            13,
            'model "qwen-3-coder"',
            "it leads to a second proxy at localhost:4001, and no given file has a model qwen-3-coder",
            True,
        )
    ]
    assert done.remarks[0].hint == "give the second proxy's file as well"


def test_a_model_of_the_second_proxy_that_nobody_asks_for_is_left_out() -> None:
    other = entry("llama", model="bedrock/meta.llama4-scout-17b-instruct-v1:0", aws_region_name="us-east-1")
    done = imported(FIRST, SECOND + other)
    assert routes(done) == routes(imported(FIRST, SECOND))
    assert [remark.what for remark in done.remarks] == ['model "llama"']


def test_three_proxies_in_a_row_become_one_route() -> None:
    middle = listed(entry("qwen-3-coder", model="litellm_proxy/deep", api_base="http://127.0.0.1:4002/v1"))
    last = listed(entry("deep", model="bedrock/qwen.qwen3-coder-next", aws_region_name="eu-west-1"))
    done = imported(FIRST, middle, last)
    assert routes(done)[0] == ("qwen-3-coder", "bedrock", "qwen.qwen3-coder-next", "eu-west-1", None)
    assert "from one.yaml:13 and two.yaml:2 and three.yaml:2" in done.text


def test_proxies_that_lead_to_each_other_are_noticed() -> None:
    one = listed(entry("a", model="openai/b", api_base="http://127.0.0.1:4001"))
    two = listed(entry("b", model="openai/a", api_base="http://127.0.0.1:4000"))
    done = imported(one, two)
    assert done.text == ""
    assert {reason for _, _, reason, _ in said(done)} == {"the proxies lead to each other in a circle"}


BEDROCK: dict[str, tuple[dict[str, str], tuple[str, str | None, str | None]]] = {
    "converse": (
        {"model": "bedrock/converse/qwen.qwen3-coder-next", "aws_region_name": "eu-west-1"},
        ("qwen.qwen3-coder-next", "eu-west-1", None),
    ),
    "no dialect": (
        {"model": "bedrock/us.anthropic.claude-sonnet-5-5", "aws_region_name": "us-east-1"},
        ("us.anthropic.claude-sonnet-5-5", "us-east-1", None),
    ),
    "invoke": (
        {"model": "bedrock/invoke/us.anthropic.claude-sonnet-5-5", "aws_region_name": "us-east-1"},
        ("us.anthropic.claude-sonnet-5-5", "us-east-1", None),
    ),
    "a region in the path": (
        {"model": "bedrock/eu-central-1/qwen.qwen3-coder-next"},
        ("qwen.qwen3-coder-next", "eu-central-1", None),
    ),
    "a region behind the dialect": (
        {"model": "bedrock/converse/eu-central-1/qwen.qwen3-coder-next"},
        ("qwen.qwen3-coder-next", "eu-central-1", None),
    ),
    "the converse provider": (
        {"model": "bedrock_converse/qwen.qwen3-coder-next", "aws_region_name": "us-west-2"},
        ("qwen.qwen3-coder-next", "us-west-2", None),
    ),
    "an id without provider": (
        {"model": "qwen.qwen3-coder-next", "aws_region_name": "us-west-2"},
        ("qwen.qwen3-coder-next", "us-west-2", None),
    ),
    "a provider of its own key": (
        {"model": "qwen.qwen3-coder-next", "custom_llm_provider": "bedrock", "aws_region_name": "us-west-2"},
        ("qwen.qwen3-coder-next", "us-west-2", None),
    ),
    "a family in front of an ARN": (
        {"model": "bedrock/qwen3/arn:aws:bedrock:us-east-2:111122223333:provisioned-model/x1"},
        ("arn:aws:bedrock:us-east-2:111122223333:provisioned-model/x1", "us-east-2", None),
    ),
    "a profile": (
        {
            "model": "bedrock/qwen.qwen3-coder-next",
            "aws_region_name": "us-west-2",
            "aws_profile_name": "work",
        },
        ("qwen.qwen3-coder-next", "us-west-2", "work"),
    ),
    "variables": (
        {
            "model": "os.environ/MODEL",
            "aws_region_name": "os.environ/REGION",
            "aws_profile_name": "os.environ/PROFILE",
        },
        ("qwen.qwen3-coder-next", "ap-south-1", "mine"),
    ),
}


@pytest.mark.parametrize("case", BEDROCK)
def test_a_bedrock_model_becomes_a_route(case: str) -> None:
    params, (model, region, profile) = BEDROCK[case]
    env = {"MODEL": "bedrock/qwen.qwen3-coder-next", "REGION": "ap-south-1", "PROFILE": "mine"}
    done = imported(listed(entry("coder", **params)), env=env)
    assert routes(done) == [("coder", "bedrock", model, region, profile)]
    assert done.remarks == []


@pytest.mark.parametrize(
    ("env", "region"),
    [
        ({}, "us-west-2"),
        ({"AWS_REGION": "eu-north-1"}, "eu-north-1"),
        ({"AWS_REGION_NAME": "ca-central-1", "AWS_REGION": "x"}, "ca-central-1"),
    ],
    ids=["LiteLLM's own", "AWS's variable", "LiteLLM's variable first"],
)
def test_without_a_region_litellm_s_choice_is_taken_and_said(env: Mapping[str, str], region: str) -> None:
    done = imported(listed(entry("coder", model="bedrock/qwen.qwen3-coder-next")), env=env)
    assert routes(done)[0][3] == region
    assert said(done)[0][2:] == (f"the file names no region; {region} is what LiteLLM would use here", False)


NOWHERE = {
    "another provider": (
        {"model": "openai/gpt-5"},
        'the provider "openai": openClaude speaks to the Anthropic API and Amazon Bedrock only',
    ),
    "a name nobody knows": (
        {"model": "gpt-5"},
        "a provider that cannot be told from its name: openClaude speaks to the Anthropic API and Amazon Bedrock only",
    ),
    "an agent": ({"model": "bedrock/agent/ABC/DEF"}, "bedrock/agent is no model that answers messages"),
    "all of Bedrock": ({"model": "bedrock/*"}, "a Bedrock route names one model, and this is a pattern"),
    "a proxy elsewhere": (
        {"model": "openai/x", "api_base": "https://user:word@llm.example/v1"},
        "it leads to llm.example: openClaude speaks to the Anthropic API and Amazon Bedrock only",
    ),
    "the login elsewhere": (
        {"model": "anthropic/claude-opus-5-5", "api_base": "https://llm.example"},
        "its api_base leads to llm.example, and the login goes to https://api.anthropic.com only",
    ),
    "no address": ({"model": "openai/x", "api_base": "http://[::"}, "its api_base is no address"),
    "a region that is none": (
        {"model": "bedrock/qwen.qwen3-coder-next", "aws_region_name": "Oregon"},
        'region is not an AWS region: "Oregon"',
    ),
    "an inference profile of nobody knows what": (
        {"model": "bedrock/arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc"},
        "base_model is missing",
    ),
}


@pytest.mark.parametrize("case", NOWHERE)
def test_is_left_out_with_its_reason(case: str) -> None:
    params, reason = NOWHERE[case]
    done = imported(listed(entry("x", **{key: f'"{value}"' for key, value in params.items()})))
    assert done.text == ""
    assert (2, 'model "x"', reason, True) in said(done)


ANTHROPIC = {
    "with the provider": (entry("claude-opus-5-5", model="anthropic/claude-opus-5-5"), []),
    "a pattern": (entry("claude-*", model="anthropic/claude-*"), []),
    "with [1m]": (entry('"claude-opus-5-5[1m]"', model="anthropic/claude-opus-5-5"), []),
    "with a date": (
        entry("claude-opus-4-6", model="anthropic/claude-opus-4-6-20250514"),
        [
            (
                'Anthropic is asked for "claude-opus-4-6" itself, no longer for "claude-opus-4-6-20250514": '
                "the name is not changed on the way"
            )
        ],
    ),
    "under another name": (
        entry("best", model="anthropic/claude-opus-5-5"),
        ['it is called "claude-opus-5-5" now, as Anthropic calls it: the name is not changed on the way'],
    ),
}


@pytest.mark.parametrize("case", ANTHROPIC)
def test_a_claude_at_anthropic_is_taken_by_the_route_for_all_claudes(case: str) -> None:
    text, reasons = ANTHROPIC[case]
    done = imported(listed(text))
    assert routes(done) == [("claude-*", "anthropic", None, None, None)]
    assert [remark.reason for remark in done.remarks] == reasons


def test_names_come_before_patterns_and_the_login_s_route_last() -> None:
    done = imported(
        listed(
            entry('"*"', model="bedrock/qwen.qwen3-coder-next", aws_region_name="us-west-2"),
            entry("claude-*", model="anthropic/claude-*"),
            entry(
                "claude-haiku-5-5", model="bedrock/us.anthropic.claude-haiku-5-5", aws_region_name="us-west-2"
            ),
        )
    )
    assert [route[0] for route in routes(done)] == ["claude-haiku-5-5", "claude-*", "*"]


def test_a_second_deployment_of_a_name_is_left_out() -> None:
    one = entry("coder", model="bedrock/qwen.qwen3-coder-next", aws_region_name="us-west-2")
    two = entry("coder", model="bedrock/qwen.qwen3-coder-next", aws_region_name="us-east-1")
    done = imported(listed(one, two, one))
    assert routes(done)[0][3] == "us-west-2"
    assert [(line, lost) for line, _, _, lost in said(done)] == [(6, True)]


def test_every_setting_without_a_counterpart_is_named_with_its_line() -> None:
    done = imported(
        """\
        model_list:
          - model_name: coder
            litellm_params:
              model: bedrock/qwen.qwen3-coder-next
              aws_region_name: us-west-2
              rpm: 10
              timeout: 3
              temperature: 1
              strange: 1
            model_info:
              mode: chat
              max_input_tokens: 100
        router_settings:
          routing_strategy: least-busy
        litellm_settings:
          drop_params: true
          success_callback: [langfuse]
          fallbacks: [{"coder": ["other"]}]
        environment_variables:
          X: y
        include:
          - other.yaml
        """
    )
    assert len(routes(done)) == 1
    assert [(line, what) for line, what, _, _ in said(done)] == [
        (6, 'model "coder": rpm'),
        (7, 'model "coder": timeout'),
        (8, 'model "coder": temperature'),
        (9, 'model "coder": strange'),
        (12, 'model "coder": model_info.max_input_tokens'),
        (14, "router_settings.routing_strategy"),
        (17, "litellm_settings.success_callback"),
        (18, "litellm_settings.fallbacks"),
        (20, "environment_variables.X"),
        (21, "include"),
    ]
    assert all(remark.reason and not remark.lost for remark in done.remarks)


def test_no_secret_of_the_files_or_of_the_environment_is_shown_or_copied(
    canary: Callable[[str], str],
) -> None:
    secrets = [canary("sk-"), canary("AKIA"), canary(""), canary("pass"), canary("hidden")]
    done = imported(
        f"""\
        model_list:
          - model_name: coder
            litellm_params:
              model: bedrock/qwen.qwen3-coder-next
              aws_access_key_id: {secrets[1]}
              aws_secret_access_key: {secrets[2]}
              aws_profile_name: os.environ/SECRET_THING
              api_key: {secrets[0]}
          - model_name: x
            litellm_params:
              model: openai/x
              api_base: https://me:{secrets[3]}@llm.example/v1?key={secrets[3]}
        general_settings:
          master_key: {secrets[0]}
          database_url: postgres://{secrets[3]}
        environment_variables:
          OTHER: {secrets[2]}
        """,
        env={"SECRET_THING": secrets[4]},
    )
    everything = done.text + "".join(map(str, done.remarks))
    assert not [secret for secret in secrets if secret in everything]
    assert "SECRET_THING" in everything


@pytest.mark.parametrize(
    ("name", "model", "hint"),
    [
        ("claude-opus-5-5", "anthropic/claude-opus-5-5", ""),
        (
            "coder",
            "bedrock/converse/qwen.qwen3-coder-next",
            "set AWS_BEARER_TOKEN_BEDROCK in the shell openclaude is started from",
        ),
    ],
    ids=["Anthropic", "Bedrock"],
)
def test_a_key_is_replaced_by_what_its_provider_takes_here(name: str, model: str, hint: str) -> None:
    done = imported(listed(entry(name, model=model, aws_region_name="us-west-2", api_key="os.environ/X_KEY")))
    [remark] = [remark for remark in done.remarks if remark.what.endswith("api_key")]
    assert "the value was neither shown nor copied" in remark.reason
    assert remark.hint == hint


def test_a_variable_that_is_not_set_is_named() -> None:
    done = imported(
        listed(entry("coder", model="bedrock/qwen.qwen3-coder-next", aws_region_name="os.environ/NOT_THERE"))
    )
    assert (
        5,
        "aws_region_name",
        "aws_region_name is the environment variable NOT_THERE, which is not set here or named like a secret",
        False,
    ) in said(done)


NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp", "Co", "Cn")), max_size=20
)


@given(name=NAMES, model=NAMES, region=NAMES, profile=NAMES)
def test_what_is_made_is_a_configuration_without_problems_whatever_the_files_say(
    name: str, model: str, region: str, profile: str
) -> None:
    def quoted(text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    text = listed(
        entry(quoted(name), model=quoted("bedrock/" + model), aws_region_name=quoted(region)),
        entry("a", model="bedrock/qwen.qwen3-coder-next", aws_profile_name=quoted(profile)),
        entry(quoted(name), model=quoted("anthropic/" + model)),
    )
    done = imported(text)
    assert not done.text or config.parse(done.text, "x").routes
