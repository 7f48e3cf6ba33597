"""What an answer says of its usage, for the request's line in the log."""

import re
from typing import Final

from openclaude.domain.access import AccessRecord
from openclaude.domain.usage import Usage

HEAD: Final = 4096
TAIL: Final = 2048
"""Bytes of an answer in which counts are looked for. `message_start` stands in the first bytes of a stream and `message_delta`
in the last; a whole answer ends with its usage."""
_ASKED: Final = b'"input_tokens"'
_SAID: Final = b'"output_tokens"'
_ASKED_LENGTH: Final = len(_ASKED)
_SAID_LENGTH: Final = len(_SAID)
_count: Final = re.compile(rb"\s*:\s*(\d{1,12})").match

Counts = tuple[int | None, int | None]
"""Tokens of the input and of the output; None where there is no telling."""


def note_usage(record: AccessRecord, text: bytes) -> None:
    """Write the last counts in a part of an Anthropic answer into its record; nothing where there are none in clear.

    The answer is not parsed. A count that is not there stays what it was.
    """
    asked, said = _last(text, _ASKED), _last(text, _SAID)
    if asked is None:
        asked = record.input_tokens
    if said is None:
        said = record.output_tokens
    if asked is not None or said is not None:
        record.input_tokens, record.output_tokens = asked or 0, said or 0


def usage_of(answer: bytes) -> Counts:
    """The last counts in a whole Anthropic answer, as `note_usage` sees them in its first bytes and then in its last."""
    if len(answer) <= HEAD:
        place, later = answer.rfind(_ASKED), answer.rfind(_SAID)
        if place >= 0 and later >= 0:
            asked, said = _count(answer, place + _ASKED_LENGTH), _count(answer, later + _SAID_LENGTH)
            if asked is not None and said is not None:
                return int(asked[1]), int(said[1])
    record = AccessRecord("", "")
    note_usage(record, answer[:HEAD])
    if len(answer) > HEAD:
        note_usage(record, answer[-TAIL:])
    return record.input_tokens, record.output_tokens


def _last(text: bytes, name: bytes) -> int | None:
    """The last count of a name."""
    place = text.rfind(name)
    while place >= 0:
        found = _count(text, place + len(name))
        if found is not None:
            return int(found[1])
        place = text.rfind(name, 0, place)
    return None


def with_usage(record: AccessRecord, usage: Usage | None) -> AccessRecord:
    if usage is not None:
        record.input_tokens = usage.input_tokens
        record.output_tokens = usage.output_tokens
    return record
