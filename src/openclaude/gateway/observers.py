"""What an answer says of its usage, for the request's line in the log."""

import re
from typing import Final

from openclaude.domain.access import AccessRecord
from openclaude.domain.usage import Usage

HEAD: Final = 4096
TAIL: Final = 2048
"""Bytes of an answer in which counts are looked for. `message_start` stands in the first bytes of a stream and `message_delta`
in the last; a whole answer ends with its usage."""
_COUNTS: Final = ((b'"input_tokens"', "input_tokens"), (b'"output_tokens"', "output_tokens"))
_COUNT: Final = re.compile(rb"\s*:\s*(\d{1,12})")


def note_usage(record: AccessRecord, text: bytes) -> None:
    """Write the last counts in a part of an Anthropic answer into its record; nothing where there are none in clear.

    The answer is not parsed. A count that is not there stays what it was.
    """
    for name, field in _COUNTS:
        place = text.rfind(name)
        while place >= 0:
            found = _COUNT.match(text, place + len(name))
            if found is not None:
                setattr(record, field, int(found[1]))
                break
            place = text.rfind(name, 0, place)
    if record.input_tokens is None and record.output_tokens is not None:
        record.input_tokens = 0
    elif record.output_tokens is None and record.input_tokens is not None:
        record.output_tokens = 0


def note_usage_of(record: AccessRecord, answer: bytes) -> None:
    """`note_usage` of a whole answer."""
    if len(answer) > HEAD:
        note_usage(record, answer[:HEAD])
        note_usage(record, answer[-TAIL:])
    else:
        note_usage(record, answer)


def with_usage(record: AccessRecord, usage: Usage | None) -> AccessRecord:
    if usage is not None:
        record.input_tokens = usage.input_tokens
        record.output_tokens = usage.output_tokens
    return record
