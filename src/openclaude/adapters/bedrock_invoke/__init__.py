"""Claude over Amazon Bedrock's InvokeModel, in Claude's own format. Bytes in, bytes out, no I/O.

Surface: where on AWS that format is spoken, and what passes there.
Turn: a message as Claude takes it; turns alternate.
Offer: the tools of a request that exist where it goes.
Relay: the events of a stream on their way through; only the model's name changes.
Verdict: what a model turned out not to take, learned from its refusal.
"""

from openclaude.adapters.bedrock_converse.learned import LearnedLimits
from openclaude.adapters.bedrock_invoke.adapter import InvokeAdapter, InvokeCall
from openclaude.adapters.bedrock_invoke.request import Translation, translate
from openclaude.adapters.bedrock_invoke.stream import InvokeStreamDecoder

__all__ = [
    "InvokeAdapter",
    "InvokeCall",
    "InvokeStreamDecoder",
    "LearnedLimits",
    "Translation",
    "translate",
]
