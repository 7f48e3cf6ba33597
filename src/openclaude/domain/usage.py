"""Token counts as a provider reports them. Nothing here estimates."""

from dataclasses import dataclass


@dataclass(slots=True)
class Usage:
    """Tokens of one answer; cached input is counted apart from `input_tokens`, as in the Anthropic API."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
