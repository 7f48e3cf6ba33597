"""The whole job on one machine, with simulated providers: what `openclaude demo` runs.

Scene: simulated providers, a gateway of its own in a temporary folder, and invented credentials.
Conversation: a small client of the Messages API that uses a tool and reads streams.
Oracle: looks for a secret in bytes, in every encoding a leak might have.
Report: what was seen, as tables.
"""
