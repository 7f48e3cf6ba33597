"""A finished message as a stream of events, for models whose answers cannot be streamed."""

from typing import Final

from openclaude.adapters.bedrock_converse.pieces import Json, objects, string
from openclaude.wire import jsontext, sse

STOP: Final = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'
MESSAGE_STOP: Final = sse.event("message_stop", b'{"type":"message_stop"}')


def synthesized(message: Json) -> bytes:
    """A finished message as the events of a stream, for a model that was not streamed."""
    out = _Script()
    counted = message.get("usage")
    usage = counted if isinstance(counted, dict) else {"input_tokens": 0, "output_tokens": 0}
    head = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
    head["usage"] = {**usage, "output_tokens": 0}
    out.event("message_start", {"type": "message_start", "message": head})
    out.raw(sse.PING)
    for index, block in enumerate(objects(message["content"])):
        out.block(index, block)
    delta = {"stop_reason": message.get("stop_reason"), "stop_sequence": message.get("stop_sequence")}
    out.event("message_delta", {"type": "message_delta", "delta": delta, "usage": usage})
    out.raw(MESSAGE_STOP)
    return out.text()


class _Script:
    """Collects the events of a synthesised stream."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def raw(self, part: bytes) -> None:
        self._parts.append(part)

    def event(self, kind: str, event: Json) -> None:
        self._parts.append(sse.event(kind, jsontext.dumps(event)))

    def text(self) -> bytes:
        return b"".join(self._parts)

    def block(self, index: int, block: Json) -> None:
        start, deltas = _parts_of(block)
        self.event(
            "content_block_start", {"type": "content_block_start", "index": index, "content_block": start}
        )
        for delta in deltas:
            self.event("content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta})
        self.raw(STOP % index)


def _parts_of(block: Json) -> tuple[Json, list[Json]]:
    """A block as it starts, and the deltas that complete it."""
    match block.get("type"):
        case "text":
            cited = [
                {"type": "citations_delta", "citation": item} for item in objects(block.get("citations"))
            ]
            return {"type": "text", "text": ""}, [
                {"type": "text_delta", "text": string(block.get("text"))},
                *cited,
            ]
        case "thinking":
            thought = string(block.get("thinking"))
            deltas = [{"type": "thinking_delta", "thinking": thought}] if thought else []
            deltas.append({"type": "signature_delta", "signature": string(block.get("signature"))})
            return {"type": "thinking", "thinking": "", "signature": ""}, deltas
        case "tool_use":
            text = jsontext.dumps(block.get("input", {})).decode()
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": text}]
        case _:
            return block, []
