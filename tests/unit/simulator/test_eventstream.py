import json
import random
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer, ParserError

from openclaude.simulator import eventstream

FRAMES = [
    eventstream.event("messageStart", {"role": "assistant", "p": "abc"}),
    eventstream.event("contentBlockDelta", {"delta": {"text": "grüße ☃"}, "contentBlockIndex": 0}),
    eventstream.frame({}, b""),
    eventstream.exception("throttlingException", "slow down"),
    eventstream.error("internal", "broken"),
]
STREAM = b"".join(FRAMES)


def decode(pieces: list[bytes]) -> list[tuple[dict[str, Any], bytes]]:
    """What botocore's decoder reads."""
    buffer = EventStreamBuffer()
    messages = []
    for piece in pieces:
        buffer.add_data(piece)
        messages += [(message.headers, message.payload) for message in buffer]
    return messages


def test_botocore_reads_names_types_and_payloads() -> None:
    start, delta, empty, exception, error = decode([STREAM])
    assert start[0] == {
        ":event-type": "messageStart",
        ":content-type": "application/json",
        ":message-type": "event",
    }
    assert json.loads(delta[1]) == {"delta": {"text": "grüße ☃"}, "contentBlockIndex": 0}
    assert empty == ({}, b"")
    assert exception[0][":exception-type"] == "throttlingException"
    assert json.loads(exception[1]) == {"message": "slow down"}
    assert error[0] == {":message-type": "error", ":error-code": "internal", ":error-message": "broken"}


def test_botocore_reads_the_same_byte_by_byte() -> None:
    assert decode([bytes([byte]) for byte in STREAM]) == decode([STREAM])


@pytest.mark.parametrize("seed", range(10))
def test_botocore_reads_the_same_in_random_pieces(seed: int) -> None:
    chance = random.Random(seed)
    cuts = sorted(chance.randrange(len(STREAM)) for _ in range(20))
    pieces = [STREAM[start:end] for start, end in zip([0, *cuts], [*cuts, len(STREAM)], strict=True)]
    assert decode(pieces) == decode([STREAM])


def test_every_flipped_byte_is_noticed() -> None:
    whole = FRAMES[1]
    for place in range(len(whole)):
        bad = bytearray(whole)
        bad[place] ^= 0x40
        try:
            seen = decode([bytes(bad)])
        except ParserError:
            continue
        assert seen == [], f"byte {place}"
