"""What watches a request go by: its usage and its line in the log."""

import re
from typing import Protocol

from openclaude.domain.access import AccessRecord
from openclaude.domain.usage import Usage

_USAGE = re.compile(rb'"(input_tokens|output_tokens)"\s*:\s*(\d{1,12})')
_HEAD_BYTES = 4096
_TAIL_BYTES = 2048


class Observer(Protocol):
    """Sees response bytes before the client does."""

    def see(self, data: bytes) -> None:
        """Some bytes of the response's body."""


class UsageMeter:
    """Reads token counts off an Anthropic answer without parsing it.

    `message_start` stands in the first bytes of a stream and `message_delta` in the last; a whole answer ends with
    its usage. Only the head and the tail are kept.
    """

    __slots__ = ("_head", "_tail")

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""

    def see(self, data: bytes) -> None:
        if len(self._head) < _HEAD_BYTES:
            self._head += data[: _HEAD_BYTES - len(self._head)]
        self._tail = data[-_TAIL_BYTES:] if len(data) >= _TAIL_BYTES else (self._tail + data)[-_TAIL_BYTES:]

    def usage(self) -> Usage | None:
        """The last counts seen, or None where there were none in clear."""
        found = dict(_USAGE.findall(self._head))
        if self._tail != self._head:  # as they are for a short answer
            found.update(_USAGE.findall(self._tail))
        if not found:
            return None
        return Usage(int(found.get(b"input_tokens", 0)), int(found.get(b"output_tokens", 0)))


def watch(observers: list[Observer], data: bytes) -> None:
    """Show bytes to every observer; one that raises is dropped, the relay goes on."""
    for observer in tuple(observers):
        try:
            observer.see(data)
        except Exception:  # noqa: BLE001  an observer may fail in any way; the request may not
            observers.remove(observer)


def with_usage(record: AccessRecord, usage: Usage | None) -> AccessRecord:
    if usage is not None:
        record.input_tokens = usage.input_tokens
        record.output_tokens = usage.output_tokens
    return record
