"""Anthropic's own web search, as the Messages API shows it: the call and its result are blocks of one answer.

The shapes are those of the API's documentation: `server_tool_use` with an id of its own kind, whose input streams like
any tool's, then `web_search_tool_result` with all results at once.
"""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from openclaude.simulator.script import Search

KIND = "web_search_"
"""How the types of the tool begin; its version follows."""


def offered(request: Mapping[str, Any]) -> bool:
    """Whether a request lets the model search."""
    return any(str(tool.get("type", "")).startswith(KIND) for tool in request.get("tools", ()))


def blocks(searches: Iterable[Search]) -> Iterator[dict[str, Any]]:
    """A call and a result for each search."""
    for search in searches:
        name = f"srvtoolu_{uuid.uuid4().hex[:24]}"
        yield {"type": "server_tool_use", "id": name, "name": "web_search", "input": {"query": search.query}}
        found = [
            {
                "type": "web_search_result",
                "url": url,
                "title": title,
                "encrypted_content": f"sealed-{uuid.uuid4().hex}",
                "page_age": "1 day ago",
            }
            for title, url in search.results
        ]
        yield {"type": "web_search_tool_result", "tool_use_id": name, "content": found}


def streamed(searches: Iterable[Search], size: int) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """The blocks a stream starts with, each with the deltas that fill it."""
    for block in blocks(searches):
        if block["type"] != "server_tool_use":
            yield block, []
            continue
        text = json.dumps(block["input"], ensure_ascii=False)
        pieces = ["", *(text[at : at + size] for at in range(0, len(text), size))]
        yield (
            {**block, "input": {}},
            [{"type": "input_json_delta", "partial_json": piece} for piece in pieces],
        )
