"""The two places on AWS where Claude is spoken to in its own format, and how they differ.

InvokeModel takes the Messages body without its envelope; the Messages endpoints take the envelope too. Both refuse what
they do not know with `Extra inputs are not permitted`, so what passes is listed and everything else stays behind.
"""

from dataclasses import dataclass
from typing import Final

from openclaude.domain.http import Header


@dataclass(frozen=True, slots=True)
class Surface:
    """What one of the places takes.

    Attributes:
        dialect: the name of its list of betas.
        whole: the operation of an answer that comes whole; `stream` of one that comes as a stream.
        server_tools: the beginnings of the types of tools that run there.
        tool_members: members of a tool that it takes beside those both take.
        headers: what every request says there.
    """

    dialect: str
    whole: str
    stream: str
    server_tools: tuple[str, ...] = ()
    tool_members: frozenset[str] = frozenset()
    headers: tuple[Header, ...] = ()


INVOKE: Final = Surface("invoke", "InvokeModel", "InvokeModelWithResponseStream")
MESSAGES: Final = Surface(
    "messages",
    "CreateInference",
    "CreateInference",
    server_tools=("web_search_",),
    tool_members=frozenset({"input_examples"}),
)
"""bedrock-mantle and bedrock-runtime's `/anthropic`; the operation is named as IAM names the action."""
