"""An MCP server on standard input and output whose one tool gets a name that is longer than Bedrock takes.

Each call is written to the file the environment names, one JSON object a line.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

RECORD = "FAKE_MCP_RECORD"
TOOL = "count_every_heron_that_stands_in_shallow_water_at_sunrise"
SERVER = "herons"
SHOWN = f"mcp__{SERVER}__{TOOL}"
"""What the client calls the tool: 70 characters, where Bedrock takes 64."""


def result(method: str, params: dict[str, Any]) -> dict[str, Any]:
    if method == "initialize":
        return {
            "protocolVersion": params.get("protocolVersion", "2025-06-18"),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": SERVER, "version": "1"},
        }
    if method == "tools/list":
        schema = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
        return {"tools": [{"name": TOOL, "description": "Counts herons.", "inputSchema": schema}]}
    if method == "tools/call":
        with Path(os.environ[RECORD]).open("a") as record:
            record.write(json.dumps(params) + "\n")
        return {"content": [{"type": "text", "text": f"seven herons at {params['arguments']['place']}"}]}
    return {}


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if "id" in request:
            told = result(request["method"], request.get("params", {}))
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": told}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
