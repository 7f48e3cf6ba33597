"""Capability profiles: the data, and how a model id finds its own."""

import dataclasses
import json
from typing import Any

import pytest

from openclaude.adapters.profiles import (
    ProfileError,
    beta_name,
    effective,
    named,
    overridden,
    profile_for,
    profiles,
    without_geo,
)
from support.bedrock_cases import DATA

CONTRACT = json.loads((DATA / "bedrock" / "profiles.json").read_text("utf-8"))


def plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset | list) else value


@pytest.mark.parametrize("name", list(CONTRACT))
def test_the_contract_s_profiles_are_the_data_s(name: str) -> None:
    mine = dataclasses.asdict(named(name))
    assert {key: plain(mine[key]) for key in CONTRACT[name]} == {
        key: plain(value) for key, value in CONTRACT[name].items()
    }


@pytest.mark.parametrize(
    ("model_id", "name", "context", "max_output"),
    [
        ("qwen.qwen3-coder-next", "qwen-text", 262144, 16384),
        ("qwen.qwen3-next-80b-a3b", "qwen-8k", 262144, 8192),
        ("qwen.qwen3-32b-v1:0", "qwen-32k-window", 32768, 8192),
        ("qwen.qwen3-vl-235b-a22b", "qwen-vl", 262144, 8192),
        ("us.amazon.nova-2-lite-v1:0", "nova", 1000000, 64000),
        ("eu.amazon.nova-pro-v1:0", "nova-1", 300000, 10000),
        ("amazon.nova-micro-v1:0", "nova-micro", 128000, 10000),
        ("us.anthropic.claude-sonnet-4-6", "claude-invoke", 200000, 64000),
        ("global.anthropic.claude-opus-4-7", "claude-opus-4-7", 200000, 64000),
        ("us-gov.anthropic.claude-opus-5-5", "claude-5", 1000000, 128000),
        ("deepseek.v3.2", "deepseek", 163840, 8192),
        ("openai.gpt-oss-20b-1:0", "gpt-oss", 131072, 16384),
        ("us.openai.gpt-6-sol", "gpt", 922000, 128000),
        ("global.moonshotai.kimi-k3", "kimi-k3", 1000000, 131072),
        ("moonshot.kimi-k2-thinking", "kimi-text", 262144, 16384),
        ("zai.glm-5", "glm", 200000, 131072),
        ("us.zai.glm-5.3", "glm-5-3", 1000000, 131072),
        ("minimax.minimax-m2.5", "minimax", 196608, 8192),
        ("us.meta.llama4-maverick-17b-instruct-v1:0", "llama4", 1000000, 8192),
        ("us.meta.llama4-scout-17b-instruct-v1:0", "llama4-scout", 10000000, 8192),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", "claude-3-7", 200000, 64000),
        ("us.anthropic.claude-3-5-haiku-20241022-v1:0", "claude-3", 200000, 8192),
        ("arn:aws:bedrock:us-east-1::foundation-model/mistral.devstral-2-123b", "mistral", 262144, 32768),
        ("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/ab12", "unknown", 131072, 8192),
        ("global.xai.grok-4.7", "grok", 524288, 32768),
        ("us.writer.palmyra-x5-v1:0", "writer", 131072, 8192),
        ("mistral.mistral-large-3-675b-instruct", "mistral-large-3", 262144, 32768),
        ("mistral.devstral-2-123b", "mistral", 262144, 32768),
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.zai.glm-5.3",
            "glm-5-3",
            1000000,
            131072,
        ),
        ("someone.new-model-1", "unknown", 131072, 8192),
    ],
)
def test_a_model_gets_the_profile_of_its_longest_prefix(
    model_id: str, name: str, context: int, max_output: int
) -> None:
    found = profile_for(model_id)
    assert (found.name, found.context, found.max_output) == (name, context, max_output)


def test_an_unknown_model_is_treated_like_a_qwen_with_a_short_answer() -> None:
    qwen, unknown = named("qwen-text"), named("unknown")
    alike = dataclasses.replace(
        qwen, name=unknown.name, max_output=8192, context=unknown.context, prefixes=()
    )
    assert unknown == alike


@pytest.mark.parametrize(
    ("model_id", "bare"),
    [
        ("us.x.y", "x.y"),
        ("us-gov.x.y", "x.y"),
        ("global.x.y-1.5", "x.y-1.5"),
        ("in.x.y", "x.y"),
        ("us.y", "us.y"),
        ("usual.x.y", "usual.x.y"),
    ],
)
def test_a_geo_prefix_is_no_part_of_a_model(model_id: str, bare: str) -> None:
    assert without_geo(model_id) == bare


def test_a_route_can_override_a_profile_by_the_names_of_its_members() -> None:
    changed = overridden(named("qwen-text"), tool_choice=["auto"], reasoning="openai", max_output=1)
    assert (changed.tool_choice, changed.reasoning, changed.max_output) == (frozenset({"auto"}), "openai", 1)
    with pytest.raises(ProfileError, match="no member colour"):
        overridden(named("qwen-text"), colour="red")


def test_a_profile_that_does_not_exist_is_refused_with_the_names_of_those_that_do() -> None:
    with pytest.raises(ProfileError, match="qwen-text"):
        named("gwen")


def test_every_profile_is_whole() -> None:
    for profile in profiles().values():
        assert profile.via == "converse" or (profile.via == "invoke" and profile.family == "claude")
        assert 0 < profile.max_output < profile.context
        assert "auto" in profile.tool_choice


@pytest.mark.parametrize(
    ("name", "dialect", "sent"),
    [
        ("computer-use-2025-11-24", "converse", "computer-use-2025-11-24"),
        ("effort-2025-11-24", "converse", "effort-2025-11-24"),
        ("effort-2025-11-24x", "converse", None),
        ("fast-mode-2026-02-01", "invoke", None),
        ("advanced-tool-use-2025-11-20", "invoke", "tool-search-tool-2025-10-19"),
        ("advanced-tool-use-2025-11-20", "converse", None),
        ("claude-code-20250219", "invoke", None),
        ("claude-code-20250219", "messages", "claude-code-20250219"),
        ("compact-2026-01-12", "messages", "compact-2026-01-12"),
        ("token-efficient-tools-2025-02-19", "messages", "token-efficient-tools-2025-02-19"),
        ("interleaved-thinking-2025-05-14", "invoke", None),
    ],
)
def test_a_beta_passes_under_the_name_its_dialect_has_for_it(
    name: str, dialect: str, sent: str | None
) -> None:
    assert beta_name(name, dialect, named("claude")) == sent


def test_a_route_can_replace_the_list_of_betas_and_let_interleaved_thinking_pass() -> None:
    own = overridden(named("claude-invoke"), betas=["new-thing-2027-01-01"])
    assert beta_name("new-thing-2027-01-01", "invoke", own) == "new-thing-2027-01-01"
    assert beta_name("context-1m-2025-08-07", "invoke", own) is None
    flagged = overridden(named("claude-invoke"), interleaved_thinking=True)
    assert beta_name("interleaved-thinking-2025-05-14", "invoke", flagged) is not None


def test_the_effective_profile_is_the_base_model_s_under_what_the_route_says() -> None:
    arn = "arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/ab12"
    assert effective(arn).name == "unknown"
    found = effective(
        arn,
        base_model="us.anthropic.claude-sonnet-5-5",
        via="converse",
        service_tier="flex",
        capabilities={"max_output": 4096, "tool_choice": ["auto"]},
    )
    assert (found.name, found.via, found.max_output) == ("claude-5", "converse", 4096)
    assert (found.tool_choice, found.service_tier) == (frozenset({"auto"}), "flex")
    assert found.base_model == "us.anthropic.claude-sonnet-5-5"
    assert effective("qwen.qwen3-32b-v1:0", reasoning="low").reasoning_effort == "low"
    with pytest.raises(ProfileError, match="colour"):
        effective(arn, capabilities={"colour": "red"})
