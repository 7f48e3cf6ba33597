"""Tools Anthropic defines by a type: the ones a client runs get a schema here, the others cannot be offered.

The client runs bash, the text editor and the memory tool itself; Anthropic's servers would add their schemas, so
the gateway does. Names and parameters: the Anthropic API's tool reference and its SDK's command types.
"""

from openclaude.adapters.bedrock_converse.pieces import Json

SERVER_PREFIXES = (
    "web_search_",
    "web_fetch_",
    "code_execution_",
    "tool_search_tool_",
    "advisor_",
    "mcp_toolset",
)
TOOL_SEARCH_PREFIX = "tool_search_tool_"

_TEXT = {"type": "string"}
_LINES = {"type": "array", "items": {"type": "integer"}}

_BASH: Json = {
    "description": "Run a command in a persistent bash session. Set restart to true to restart the session.",
    "schema": {"type": "object", "properties": {"command": _TEXT, "restart": {"type": "boolean"}}},
}
_EDITOR: Json = {
    "description": "View, create and edit text files. str_replace needs an old_str that occurs exactly once.",
    "schema": {
        "type": "object",
        "properties": {
            "command": {"type": "string", "enum": ["view", "create", "str_replace", "insert"]},
            "path": _TEXT,
            "file_text": _TEXT,
            "old_str": _TEXT,
            "new_str": _TEXT,
            "insert_line": {"type": "integer"},
            "insert_text": _TEXT,
            "view_range": _LINES,
        },
        "required": ["command", "path"],
    },
}
_MEMORY: Json = {
    "description": "View and edit files in the memory directory /memories, which outlasts the conversation.",
    "schema": {
        "type": "object",
        "properties": {
            "command": {
                "type": "string",
                "enum": ["view", "create", "str_replace", "insert", "delete", "rename"],
            },
            "path": _TEXT,
            "file_text": _TEXT,
            "old_str": _TEXT,
            "new_str": _TEXT,
            "insert_line": {"type": "integer"},
            "insert_text": _TEXT,
            "old_path": _TEXT,
            "new_path": _TEXT,
            "view_range": _LINES,
        },
        "required": ["command"],
    },
}


def client_tool(kind: str) -> Json | None:
    """Description and schema of a typed tool the client runs; None for every other type."""
    if kind.startswith("bash_"):
        return _BASH
    if kind.startswith("text_editor_"):
        return _editor(kind)
    return _MEMORY if kind.startswith("memory_") else None


def _editor(kind: str) -> Json:
    """The first two versions of the editor can undo and name the inserted text new_str."""
    if kind not in ("text_editor_20241022", "text_editor_20250124"):
        return _EDITOR
    properties = {
        name: schema for name, schema in _EDITOR["schema"]["properties"].items() if name != "insert_text"
    }
    commands = [*properties["command"]["enum"], "undo_edit"]
    properties["command"] = {"type": "string", "enum": commands}
    return {**_EDITOR, "schema": {**_EDITOR["schema"], "properties": properties}}
