"""What the words mean. Nothing here does I/O and nothing here knows a provider's dialect.

Origin: scheme, host and port of a provider, compared exactly.
Endpoint: one of the few operations the gateway serves.
Route: where a model's requests go, with which credential policy and which adapter.
Slot: one of Claude Code's tiers (opus, sonnet, haiku, fable) and the model name it has on the wire.
ApiError: a failure in the form the Anthropic API gives it, with a hint for the person who reads it.
"""
