"""What watches an answer go by: its usage, for the request's line in the log."""

import re

from openclaude.domain.access import AccessRecord
from openclaude.domain.usage import Usage

_USAGE = re.compile(rb'"(input_tokens|output_tokens)"\s*:\s*(\d{1,12})')
_HEAD_BYTES = 4096
_TAIL_BYTES = 2048
_LONGEST_TAIL = 3072
"""A tail is cut when it has become this long: not with every event."""


class UsageMeter:
    """Reads token counts off an Anthropic answer without parsing it.

    `message_start` stands in the first bytes of a stream and `message_delta` in the last; a whole answer ends with
    its usage. Only the head and the tail are kept.

    Args:
        first: the answer's first bytes. Most answers that are no streams have no others.
    """

    __slots__ = ("_head", "_tail")

    def __init__(self, first: bytes) -> None:
        self._head = first[:_HEAD_BYTES]
        self._tail = first[-_TAIL_BYTES:] if len(first) > _TAIL_BYTES else b""

    def see(self, data: bytes) -> None:
        """The bytes that follow."""
        head = self._head
        if len(head) < _HEAD_BYTES:
            self._head = head + data[: _HEAD_BYTES - len(head)]
        if len(data) >= _TAIL_BYTES:
            self._tail = data[-_TAIL_BYTES:]
        else:
            tail = self._tail + data
            self._tail = tail if len(tail) < _LONGEST_TAIL else tail[-_TAIL_BYTES:]

    def note(self, record: AccessRecord) -> None:
        """Write the last counts seen into a record; nothing where there were none in clear."""
        found = dict(_USAGE.findall(self._head))
        if self._tail:
            found.update(_USAGE.findall(self._tail))
        if found:
            record.input_tokens = int(found.get(b"input_tokens", 0))
            record.output_tokens = int(found.get(b"output_tokens", 0))


def with_usage(record: AccessRecord, usage: Usage | None) -> AccessRecord:
    if usage is not None:
        record.input_tokens = usage.input_tokens
        record.output_tokens = usage.output_tokens
    return record
