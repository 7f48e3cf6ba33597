"""What a request needs, and whether a route's model has it.

A need is what stands in the request now: tools it offers, content the model has to see, promises it asks for. Calls of
server tools in the history are none: they are text to every model. An image or document is one for as long as the
conversation holds it, since each turn is about what was seen before.

What a model lacks is what its capability profile says (`adapters/profiles.py`), never a list of this module's own.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from openclaude.domain.kinds import Shape

if TYPE_CHECKING:
    from openclaude.adapters.bedrock_converse.estimate import Estimator
    from openclaude.adapters.profiles import Profile

CONTEXT: Final = "context"
"""The need of a request that is longer than the model's window."""
_FORCED: Final = ("any", "tool")


class Ability:
    """What a route's model can do. Read when it is first asked for: it takes longer than a loop may stand still.

    Args:
        profile: reads the model's profile.
        estimator: makes what estimates its tokens; loads the translators.
    """

    def __init__(self, profile: "Callable[[], Profile]", estimator: "Callable[[Profile], Estimator]") -> None:
        self._read = profile
        self._make = estimator
        self._known: tuple[Profile, Estimator] | None = None

    @property
    def is_read(self) -> bool:
        return self._known is not None

    @property
    def profile(self) -> "Profile":
        return self._both()[0]

    @property
    def is_claude(self) -> bool:
        return self.profile.family == "claude"

    def exceeds(self, raw: bytes) -> bool:
        """Whether a body is likely to be longer than the model's window."""
        profile, estimator = self._both()
        return estimator.exceeds(raw, profile.context)

    def _both(self) -> "tuple[Profile, Estimator]":
        if self._known is None:
            profile = self._read()
            self._known = profile, self._make(profile)
        return self._known


def lacking(shape: Shape, raw: bytes, ability: Ability, *, safeguards: bool = False) -> str:
    """The first thing a request needs and the model has not; empty when it has everything.

    Args:
        shape: the request's.
        raw: its body; looked at only when it has more bytes than the model's window has tokens.
        ability: the model's.
        safeguards: whether auto mode's check on the server is something that is needed.

    Returns:
        web_search, web_fetch, code_execution, tool_search or another tool's type without its version; tools,
        mcp_servers, image, document, tool_choice, safeguards or context.
    """
    profile = ability.profile
    return (
        _lacking_tool(shape, profile)
        or ("mcp_servers" if shape.mcp_servers else "")
        or ("image" if shape.images and not profile.images else "")
        or ("document" if shape.documents and not profile.documents else "")
        or _lacking_choice(shape, profile)
        or ("safeguards" if safeguards and shape.safeguards else "")
        or (CONTEXT if ability.exceeds(raw) else "")
    )


def _lacking_tool(shape: Shape, profile: "Profile") -> str:
    if not shape.tools or shape.choice == "none":
        return ""
    if not profile.tools:
        return "tools"
    typed = [tool for tool in shape.tools if tool.type and tool.name not in shape.removed]
    if not typed:
        return ""
    from openclaude.adapters import offers  # noqa: PLC0415  the gateway starts without the translators

    return next((offers.kind_of_tool(tool) for tool in typed if not offers.runs(tool, profile)), "")


def _lacking_choice(shape: Shape, profile: "Profile") -> str:
    forced = shape.choice in _FORCED and shape.tools
    return "tool_choice" if forced and shape.choice not in profile.tool_choice else ""
