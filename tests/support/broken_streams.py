"""Ways to break a stream of Bedrock's, each with a seeded generator that says where."""

import random
import struct
import zlib

from support import bedrock_frames
from support.bedrock_cases import cases

BLOCK_EVENTS = ("contentBlockStart", "contentBlockDelta", "contentBlockStop")
EXCEPTIONS = (
    "throttlingException",
    "serviceUnavailableException",
    "internalServerException",
    "modelStreamErrorException",
    "modelTimeoutException",
    "validationException",
)
HOSTILE: list[bytes] = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"\xff\xfe",
    b"NaN",
    b'{"a":' * 3000,
    b'{"contentBlockIndex":0,"delta":' + b"[" * 5000 + b"]" * 5000 + b"}",
    b'{"contentBlockIndex":0,"delta":{"text":"\\ud800"}}',
    b'{"contentBlockIndex":0,"delta":{"text":7}}',
    b'{"contentBlockIndex":{},"delta":{"text":"x"}}',
    b'{"contentBlockIndex":1e400,"delta":{"text":"x"}}',
    b'{"contentBlockIndex":99999999999999999999999,"delta":{"text":"x"}}',
    b'{"contentBlockIndex":-1,"delta":{"toolUse":{"input":"{}"}}}',
    b'{"contentBlockIndex":0,"delta":{"toolUse":{"input":{}}}}',
    b'{"contentBlockIndex":0,"delta":{"toolUse":"grep"}}',
    b'{"contentBlockIndex":0,"delta":{"reasoningContent":[]}}',
    b'{"contentBlockIndex":0,"delta":{"citation":{"location":{"documentChar":{"start":"a","end":-1}}}}}',
    b'{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":null,"name":{}}}}',
    b'{"contentBlockIndex":0,"start":{"toolUse":{}}}',
    b'{"stopReason":["end_turn"]}',
    b'{"stopReason":"end_turn","delta":{"text":"x"}}',
    b'{"usage":{"inputTokens":"many","outputTokens":-5},"serviceTier":{"type":[]}}',
    b'{"usage":[1]}',
    b'{"__proto__":{},"p":"abc"}',
]

STREAMS = [
    [bedrock_frames.encoded([frame]) for frame in case["input"]["frames"]]
    for case in cases("stream")
    if case["expect"]["complete"]
]


def with_prelude(frame: bytes, total: int, headers: int) -> bytes:
    """The frame with lies about its lengths, signed like the truth."""
    prelude = struct.pack(">II", total & 0xFFFFFFFF, headers & 0xFFFFFFFF)
    head = prelude + struct.pack(">I", zlib.crc32(prelude)) + frame[12:-4]
    return head + struct.pack(">I", zlib.crc32(head))


def flipped(frames: list[bytes], draw: random.Random) -> bytes:
    data = bytearray(b"".join(frames))
    for _ in range(draw.randint(1, 3)):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(data)


def truncated(frames: list[bytes], draw: random.Random) -> bytes:
    data = b"".join(frames)
    return data[: draw.randrange(len(data))]


def lengthened(frames: list[bytes], draw: random.Random) -> bytes:
    at = draw.randrange(len(frames))
    total, headers = struct.unpack(">II", frames[at][:8])
    lie = draw.choice([0, 1, 15, total - 1, total + 1, total + 100, 2**24, 2**31, 2**32 - 1])
    header_lie = draw.choice([headers, 0, headers - 1, headers + 1, 2**17 + 1, 2**32 - 1])
    return b"".join([*frames[:at], with_prelude(frames[at], lie, header_lie), *frames[at + 1 :]])


def dropped(frames: list[bytes], draw: random.Random) -> bytes:
    at = draw.randrange(len(frames))
    return b"".join(frames[:at] + frames[at + 1 :])


def doubled(frames: list[bytes], draw: random.Random) -> bytes:
    at = draw.randrange(len(frames))
    return b"".join([*frames[:at], frames[at], *frames[at:]])


def reordered(frames: list[bytes], draw: random.Random) -> bytes:
    frames = list(frames)
    one, two = draw.randrange(len(frames)), draw.randrange(len(frames))
    frames[one], frames[two] = frames[two], frames[one]
    return b"".join(frames)


def poisoned(frames: list[bytes], draw: random.Random) -> bytes:
    at = draw.randrange(len(frames))
    kind = draw.choice([*BLOCK_EVENTS, "messageStart", "messageStop", "metadata"])
    names = [(":message-type", 7, "event"), (":event-type", 7, kind)]
    evil = bedrock_frames.frame([*names], draw.choice(HOSTILE))
    return b"".join([*frames[:at], evil, *frames[at + draw.randrange(2) :]])


def misnamed(frames: list[bytes], draw: random.Random) -> bytes:
    """A frame with headers that no event has, with right checksums."""
    at = draw.randrange(len(frames))
    payload = b'{"message":"m"}'
    headers: list[bedrock_frames.Header] = draw.choice(
        [
            [],
            [(":message-type", 4, 1)],
            [(":message-type", 7, "event"), (":message-type", 7, "event")],
            [(":message-type", 7, "event"), (":event-type", 6, b"metadata")],
            [(":message-type", 7, "exception"), (":exception-type", 7, draw.choice(EXCEPTIONS))],
            [(":message-type", 7, "exception"), (":exception-type", 7, "futureException")],
            [(":message-type", 7, "error"), (":error-code", 7, "500"), (":error-message", 7, "e")],
            [(":message-type", 7, "telemetry")],
        ]
    )
    return b"".join([*frames[:at], bedrock_frames.frame(headers, payload), *frames[at:]])


MUTATIONS = [flipped, truncated, lengthened, dropped, doubled, reordered, poisoned, misnamed]
