"""The Anthropic Messages API over Amazon Bedrock's Converse. Bytes in, bytes out, no I/O.

Turn: a message as Bedrock wants it; turns alternate between user and assistant.
Piece: one Converse block on its way into a turn, with the cache point behind it.
Note: the code of something that was degraded or repaired; never content.
Call: one request to Bedrock and the reading of its answer.
Verdict: what a model turned out not to take, learned from its refusal.
"""

from openclaude.adapters.bedrock_converse.adapter import ConverseAdapter, ConverseCall, ModelIdError
from openclaude.adapters.bedrock_converse.learned import LearnedLimits
from openclaude.adapters.bedrock_converse.request import translate
from openclaude.adapters.bedrock_converse.response import ResponseState
from openclaude.adapters.bedrock_converse.stream import ConverseStreamDecoder
from openclaude.adapters.bedrock_converse.translation import Translation
from openclaude.wire.sse import PING

__all__ = [
    "PING",
    "ConverseAdapter",
    "ConverseCall",
    "ConverseStreamDecoder",
    "LearnedLimits",
    "ModelIdError",
    "ResponseState",
    "Translation",
    "translate",
]
