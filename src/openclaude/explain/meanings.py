"""Every note in one sentence. `docs/explain.md` lists the same."""

from types import MappingProxyType
from typing import Final

MEANINGS: Final = MappingProxyType(
    {
        "beta_dropped:": "this anthropic-beta value is unknown to Bedrock, which would refuse the request for it",
        "block_dropped:": "content of this kind has no form on Bedrock; it was left out",
        "cache_points_trimmed": "Bedrock takes four cache points; the earliest ones were left out",
        "cache_ttl_lowered": "a cache point for an hour may not follow a shorter one; its time was lowered",
        "deferred_tools_sent": "the server's tool search cannot run on Bedrock; every deferred tool is sent instead",
        "disable_parallel_dropped": "this model cannot be told to call one tool at a time",
        "document_omitted": "a document this model cannot take was replaced by a text that says so",
        "duplicate_tool_id": "two tool calls or results of one message had the same id; the first was kept",
        "image_omitted": "an image this model cannot take was replaced by a text that says so",
        "json_schema_prompted": "this model cannot be held to a JSON schema; the schema was put into the prompt",
        "learned:": "the model refused this, so the request is sent without it, as later ones are",
        "max_tokens_clamped": "max_tokens is more than this model gives; its limit is sent",
        "orphan_tool_result": "a tool result without its call was turned into text",
        "placeholder_call_removed": "the model called the placeholder that stands for no tools; the call was removed",
        "prefill_emulated": "this model cannot go on from an assistant turn; it is asked to continue",
        "schema_normalised": "a tool's schema was rewritten in the form Bedrock takes",
        "server_tool_dropped": "a tool that runs on Anthropic's servers cannot run on Bedrock; it was left out",
        "server_tool_history_flattened": "calls of server tools in the history were turned into text",
        "stop_reason_repaired": "the stop reason contradicted the content; the one that fits is given",
        "stop_reason_unknown": "Bedrock gave a stop reason the Messages API has not; it became end_turn",
        "stop_sequences_dropped": "this model takes no stop sequences",
        "stream_emulated": "this model cannot stream tools; its whole answer is turned into a stream",
        "temperature_clamped": "temperature was outside 0 to 1",
        "temperature_dropped": "this model takes no temperature here",
        "thinking_budget_lowered": "the thinking budget was not below max_tokens",
        "thinking_budget_raised": "the thinking budget was below the least Bedrock takes",
        "thinking_disabled": "this request cannot think: the budget, the model or the history does not allow it",
        "thinking_dropped": "thinking that this model did not sign was left out of the history",
        "tool_call_in_text": "the model wrote a tool call into its text; it was passed on as text",
        "tool_choice_downgraded": "this model cannot be made to call that tool; it chooses by itself",
        "tool_result_synthesised": "a tool call without its result got one that says so",
        "top_k_dropped": "this model takes no top_k here",
        "top_p_clamped": "top_p was outside 0 to 1",
        "top_p_dropped": "this model takes no top_p here",
        "typed_tool_dropped": "a tool Anthropic defines by its type does not exist on Bedrock; it was left out",
        "typed_tool_emulated": "a tool Anthropic defines by its type was given its schema",
        "usage_missing": "the stream ended without token counts; they are zero",
    }
)
"""What each note says. A name that ends in a colon is followed by what it is about."""


def meaning(note: str) -> str:
    """The sentence for a note; empty when there is none."""
    kind, colon, _ = note.partition(":")
    return MEANINGS.get(kind + colon, "")
