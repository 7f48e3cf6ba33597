"""Which of a request's tools a model on Bedrock can be offered, by its profile and the dialect it is spoken to in."""

import re
from typing import Final

from openclaude.adapters.bedrock_converse import typed_tools
from openclaude.adapters.bedrock_invoke import surface
from openclaude.adapters.bedrock_invoke.tools import TOOLSETS
from openclaude.adapters.profiles import Profile
from openclaude.domain.kinds import Tool

_VERSION: Final = re.compile(r"_\d{8}$")
_SEARCH: Final = "tool_search"


def runs(tool: Tool, profile: Profile) -> bool:
    """Whether a tool works there: the client's own always do, those of Anthropic's servers mostly do not."""
    if tool.type in ("", "custom"):
        return True
    if profile.via == "converse":
        if tool.type.startswith(typed_tools.SERVER_PREFIXES):
            return False
        return tool.has_schema or typed_tools.client_tool(tool.type) is not None
    if tool.type.startswith(typed_tools.TOOL_SEARCH_PREFIX):
        return profile.tool_search
    if tool.type.startswith(typed_tools.SERVER_PREFIXES):
        served = surface.MESSAGES.server_tools if profile.via == "messages" else surface.INVOKE.server_tools
        return bool(served) and tool.type.startswith(served)
    return not tool.type.startswith(TOOLSETS)


def kind_of_tool(tool: Tool) -> str:
    """What a typed tool is called whatever its version: web_search, tool_search, computer, ..."""
    bare = _VERSION.sub("", tool.type)
    return _SEARCH if bare.startswith(_SEARCH) else bare
