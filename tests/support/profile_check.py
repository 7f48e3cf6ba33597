"""Whether a Converse request holds nothing that its model's profile says the model refuses."""

import json
from typing import Any

from openclaude.adapters.profiles import Profile
from support.converse_check import need

Json = dict[str, Any]


def check_profile(body: Json, profile: Profile) -> None:
    """Raise NotConverseError when the body uses what the profile does not have."""
    for message in body["messages"]:
        _check_turn(message["content"], profile)
    text = json.dumps([body["messages"], body.get("system"), body.get("toolConfig", {}).get("tools")])
    need(profile.cache_points or '{"cachePoint"' not in text, "a cache point")
    need(profile.cache_ttl_1h or '"type": "default", "ttl"' not in text, "a cache point with a life")
    inference = body["inferenceConfig"]
    need(inference["maxTokens"] <= profile.max_output, "more tokens than the model writes")
    need(profile.stop_sequences or "stopSequences" not in inference, "stop sequences")
    need(profile.json_schema or "outputConfig" not in body, "structured output")
    need(profile.leading_assistant or body["messages"][0]["role"] == "user", "the assistant begins")
    _check_tools(body.get("toolConfig", {"tools": []}), profile)
    extra = body.get("additionalModelRequestFields", {})
    need(profile.top_k == "anthropic" or "top_k" not in extra, "top_k")
    if profile.family != "claude":
        need(
            not {"thinking", "anthropic_beta", "output_config", "tool_choice"} & set(extra),
            f"Claude's {extra}",
        )


def _check_tools(config: Json, profile: Profile) -> None:
    kinds = set(config.get("toolChoice", {})) - {"auto"}
    need(kinds <= profile.tool_choice, f"a forced choice: {kinds}")
    cached = any("cachePoint" in tool for tool in config["tools"])
    need(profile.cache_tools or not cached, "a cache point among the tools")
    strict = [tool for tool in config["tools"] if "strict" in tool.get("toolSpec", {})]
    need(len(strict) <= (20 if profile.strict else 0), f"{len(strict)} strict tools")
    need(profile.tools or not config["tools"], "tools")


def _check_turn(content: list[Json], profile: Profile) -> None:
    kinds = {kind for block in content for kind in block} - {"cachePoint"}
    need(profile.images or "image" not in kinds, "an image")
    need(profile.documents or "document" not in kinds, "a document")
    need(profile.replay_reasoning or "reasoningContent" not in kinds, "reasoning")
    need(profile.family == "claude" or "searchResult" not in kinds, "a search result")
    if "toolResult" in kinds:
        beside = {"text" if kind == "searchResult" else kind for kind in kinds - {"toolResult"}}
        need(beside <= profile.colocate, f"{beside} beside tool results")
    for result in [block["toolResult"] for block in content if "toolResult" in block]:
        inside = {kind for part in result["content"] for kind in part} & {"image", "document"}
        need(inside <= profile.tool_result_media, f"{inside} in a tool result")
        need(profile.tool_result_status or "status" not in result, "a status")
