"""Hostile requests, made here: every family of request smuggling that is known to have worked on some server.

Each input holds a second request that must never be executed: what a lenient reading would take for the next message.
The two classic arrangements are made for each trick: one in which a reader of chunks stops before the hidden request
and a reader of lengths does not (`cl-te`), and the reverse (`te-cl`).
"""

import random
from collections.abc import Callable, Iterator

from support.front import Front
from support.odd_requests import (
    bodies_where_none_belong,
    early_requests,
    header_names,
    nominations,
    request_lines,
)

Family = Callable[[Front], Iterator[tuple[str, bytes]]]
SEED = 20261126
CONTROLS = [
    bytes([code])
    for code in (*range(0x21), 0x22, 0x28, 0x29, 0x2C, 0x2F, 0x3A, 0x3B, 0x40, 0x7F, 0x80, 0x85, 0xA0, 0xFF)
]
"""Every control character, the blank, delimiters, and bytes above ASCII that some decoder takes for a blank."""


def arrangements(
    front: Front, te: bytes, *, length_name: bytes = b"Content-Length"
) -> Iterator[tuple[str, bytes]]:
    """Both classic arrangements around a line that is, or imitates, `Transfer-Encoding: chunked`."""
    hidden = front.smuggled()
    body = b"0\r\n\r\n" + hidden
    yield "cl-te", front.head(length_name + b": %d" % len(body), te) + body
    size = b"%x\r\n" % len(hidden)
    yield "te-cl", front.head(length_name + b": %d" % len(size), te) + size + hidden + b"\r\n0\r\n\r\n"


def both_framings(front: Front) -> Iterator[tuple[str, bytes]]:
    """Transfer-Encoding and Content-Length together, in both orders and several spellings."""
    hidden = front.smuggled()
    for name in (b"Transfer-Encoding", b"transfer-encoding", b"TRANSFER-ENCODING", b"tRANSFER-eNCODING"):
        for value in (b"chunked", b"Chunked", b"CHUNKED", b"chunked, identity", b"identity"):
            for where, data in arrangements(front, name + b": " + value):
                yield f"{where} {name!r} {value!r}", data
            body = b"0\r\n\r\n" + hidden
            yield (
                f"te first {name!r} {value!r}",
                front.head(name + b": " + value, b"Content-Length: %d" % len(body)) + body,
            )


def coding_bytes(front: Front) -> Iterator[tuple[str, bytes]]:
    """One odd byte at each place of the Transfer-Encoding line."""
    for odd in CONTROLS:
        lines = {
            "before the name": odd + b"Transfer-Encoding: chunked",
            "in the name": b"Transfer" + odd + b"Encoding: chunked",
            "after the name": b"Transfer-Encoding" + odd + b": chunked",
            "after the colon": b"Transfer-Encoding:" + odd + b"chunked",
            "in the value": b"Transfer-Encoding: chunk" + odd + b"ed",
            "after the value": b"Transfer-Encoding: chunked" + odd,
        }
        for place, line in lines.items():
            for where, data in arrangements(front, line):
                yield f"{where} {odd!r} {place}", data


def coding_values(front: Front) -> Iterator[tuple[str, bytes]]:
    """Values and lines that one server takes for chunked and another does not."""
    lines = [
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: chunkedx",
        b"Transfer-Encoding: chunked, chunked",
        b"Transfer-Encoding: identity, chunked",
        b"Transfer-Encoding: chunked, gzip",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: ,chunked",
        b"Transfer-Encoding: chunked,",
        b'Transfer-Encoding: "chunked"',
        b"Transfer-Encoding: 'chunked'",
        b"Transfer-Encoding: chunked;q=1",
        b"Transfer-Encoding: chunked;foo",
        b"Transfer-Encoding: cow",
        b"Transfer-Encoding:",
        b"Transfer-Encoding: chun\\ked",
        b"Transfer-Encoding: %63hunked",
        b"Transfer-Encoding: \xc3\xa7hunked",
        b"Transfer-Encoding\r\n: chunked",
        b"Transfer-Encoding:\r\n chunked",
        b"Transfer-Encoding:\r\n\tchunked",
        b"Transfer-Encoding: \r\n chunked",
        b"Transfer-Encoding: identity\r\n, chunked",
        b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-encoding: cow",
        b"X: y\nTransfer-Encoding: chunked",
        b"X: y\rTransfer-Encoding: chunked",
        b"X: y\r\n\rTransfer-Encoding: chunked",
        b"X:\r\nTransfer-Encoding: chunked",
        b"X\r\nTransfer-Encoding: chunked",
        b"Transfer_Encoding: chunked",
        b"Transfer-Encoding_: chunked",
        b"X-Transfer-Encoding: chunked",
        b"Transfer Encoding: chunked",
        b"TransferEncoding: chunked",
        b"Content-Encoding: chunked",
        b"TE: chunked",
        b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked",
        b"Connection: Content-Length",
        b" Transfer-Encoding: chunked",
        b"Transfer-Encoding : chunked",
        b"\xef\xbb\xbfTransfer-Encoding: chunked",
        b"Transf\x00er-Encoding: chunked",
    ]
    for line in lines:
        for where, data in arrangements(front, line):
            yield f"{where} {line!r}", data


def length_bytes(front: Front) -> Iterator[tuple[str, bytes]]:
    """One odd byte at each place of the Content-Length line; the hidden request lies behind the length."""
    body = front.message()
    hidden = front.smuggled()
    for odd in CONTROLS:
        number = b"%d" % len(body)
        lines = {
            "before the name": odd + b"Content-Length: " + number,
            "in the name": b"Content" + odd + b"Length: " + number,
            "after the name": b"Content-Length" + odd + b": " + number,
            "after the colon": b"Content-Length:" + odd + number,
            "in the value": b"Content-Length: " + number[:1] + odd + number[1:],
            "after the value": b"Content-Length: " + number + odd,
        }
        for place, line in lines.items():
            yield f"{odd!r} {place}", front.head(line) + body + hidden


def length_values(front: Front) -> Iterator[tuple[str, bytes]]:
    """Lengths that are read in more than one way, with the hidden request where the smaller reading ends."""
    body, hidden = front.message(), front.smuggled()
    n, whole = len(body), len(body) + len(hidden)
    values = [
        f"+{n}",
        f"-{n}",
        f"{n}.0",
        f"{n},{n}",
        f"{n}, {whole}",
        f"{n} {whole}",
        f"{n};",
        f"0x{n:x}",
        f"{n:x}h",
        f"0o{n:o}",
        f"{n}e0",
        "1e2",
        f"0{n}",
        f"000000000000000{n}",
        "",
        "0",
        " ",
        "NaN",
        "abc",
        f"{2**64 + n}",
        f"{2**63 + n}",
        f"{2**32 + n}",
        "9" * 40,
        f"{n}\x00",
        f"{n}_0",
        f"{n}L",
        "\u0661\u0662",
        f"{n}\t",
        f"\t{n}",
        f"({n})",
        f"'{n}'",
        f'"{n}"',
        f"{n}%",
        f"{n}\r\n {whole}",
        f"{n}\r\nContent-Length: {whole}",
        f"{whole}\r\nContent-Length: {n}",
        f"{n}\r\nContent-Length: {n}",
        f"{n}\r\ncontent-length: {n}",
        f"{n}\r\nContent_Length: {whole}",
        f"0\r\nContent-Length: {n}",
        f"{n}\r\nContent-Length:",
        f"{n}\nContent-Length: {whole}",
        f"{n}\rContent-Length: {whole}",
    ]
    for value in values:
        yield repr(value), front.head(b"Content-Length: " + value.encode()) + body + hidden
        yield (
            f"{value!r} first",
            front.head(b"Content-Length: " + value.encode(), b"Content-Length: %d" % n) + body + hidden,
        )


def line_ends(front: Front) -> Iterator[tuple[str, bytes]]:
    """Each line end of the head replaced by something that is nearly one."""
    body, hidden = front.message(), front.smuggled()
    head = front.head(b"X-A: b", b"Content-Length: %d" % len(body))
    lines = head.split(b"\r\n")
    ends = [
        b"\n",
        b"\r",
        b"\r\r\n",
        b"\n\r",
        b"\r\n\n",
        b"\n\n",
        b"\r\n\r",
        b"\x0b",
        b"\x0c",
        b"\x85",
        b"\xe2\x80\xa8",
        b"\x00\r\n",
    ]
    for end in ends:
        for at in range(len(lines) - 1):
            data = b"\r\n".join(lines[: at + 1]) + end + b"\r\n".join(lines[at + 1 :])
            yield f"{end!r} after line {at}", data + body + hidden
        yield f"{end!r} everywhere", head.replace(b"\r\n", end) + body + hidden


def folds(front: Front) -> Iterator[tuple[str, bytes]]:
    """Folded lines (RFC 9112 §5.2), which join two lines for one reader and not for another."""
    body, hidden = front.message(), front.smuggled()
    length = b"Content-Length: %d" % len(body)
    for blank in (b" ", b"\t", b"  ", b" \t", b"\x0b", b"\x0c", b"\xa0"):
        for folded in (
            b"Transfer-Encoding: chunked",
            b"Content-Length: %d" % (len(body) + len(hidden)),
            b"x",
            b"",
            b"Host: evil.example",
        ):
            yield f"{blank!r} {folded!r}", front.head(b"X-A: b", blank + folded, length) + body + hidden
            yield f"first {blank!r} {folded!r}", front.head(blank + folded, length) + body + hidden


def chunk_framing(front: Front) -> Iterator[tuple[str, bytes]]:
    """Chunks that end where only some readers think they end."""
    hidden, body = front.smuggled(), front.message()
    size = b"%x" % len(body)
    endings = {
        "an extension": size + b";a=b\r\n" + body + b"\r\n0\r\n\r\n",
        "a quoted extension": size + b';a="\r\n"\r\n' + body + b"\r\n0\r\n\r\n",
        "an extension with a line feed": size + b";a\n" + body + b"\r\n0\r\n\r\n",
        "an extension on the last chunk": size + b"\r\n" + body + b"\r\n0;a=b\r\n\r\n",
        "a long extension": size + b";" + b"a" * 40_000 + b"\r\n" + body + b"\r\n0\r\n\r\n",
        "a bare semicolon": size + b";\r\n" + body + b"\r\n0\r\n\r\n",
        "a blank before the size": b" " + size + b"\r\n" + body + b"\r\n0\r\n\r\n",
        "a blank after the size": size + b" \r\n" + body + b"\r\n0\r\n\r\n",
        "a tab after the size": size + b"\t\r\n" + body + b"\r\n0\r\n\r\n",
        "a prefix": b"0x" + size + b"\r\n" + body + b"\r\n0\r\n\r\n",
        "a sign": b"+" + size + b"\r\n" + body + b"\r\n0\r\n\r\n",
        "a negative size": b"-" + size + b"\r\n" + body + b"\r\n0\r\n\r\n",
        "an underscore": size[:1] + b"_" + size[1:] + b"\r\n" + body + b"\r\n0\r\n\r\n",
        "zeros": b"0" * 20 + size + b"\r\n" + body + b"\r\n0\r\n\r\n",
        "no digits": b"\r\n" + body + b"\r\n0\r\n\r\n",
        "letters": b"zz\r\n" + body + b"\r\n0\r\n\r\n",
        "65 bits": b"1" + b"0" * 15 + size.rjust(2, b"0") + b"\r\n" + body + b"\r\n0\r\n\r\n",
        "33 bits": b"1" + size.rjust(8, b"0") + b"\r\n" + body + b"\r\n0\r\n\r\n",
        "a bare line feed after the size": size + b"\n" + body + b"\r\n0\r\n\r\n",
        "a bare return after the size": size + b"\r" + body + b"\r\n0\r\n\r\n",
        "a bare line feed after the data": size + b"\r\n" + body + b"\n0\r\n\r\n",
        "nothing after the data": size + b"\r\n" + body + b"0\r\n\r\n",
        "two bytes after the data": size + b"\r\n" + body + b"xx0\r\n\r\n",
        "data that is longer": size + b"\r\n" + body + b"more\r\n0\r\n\r\n",
        "data that is shorter": b"%x\r\n" % (len(body) + 2) + body + b"\r\n0\r\n\r\n",
        "a last chunk without its line": size + b"\r\n" + body + b"\r\n0\r\n",
        "bare line feeds at the end": size + b"\r\n" + body + b"\r\n0\n\n",
        "a return only at the end": size + b"\r\n" + body + b"\r\n0\r\n\r",
        "several zeros": size + b"\r\n" + body + b"\r\n0000\r\n\r\n",
        "a trailer": size + b"\r\n" + body + b"\r\n0\r\nX: y\r\n\r\n",
        "a trailer that frames": size + b"\r\n" + body + b"\r\n0\r\nContent-Length: 0\r\n\r\n",
        "a trailer that names a host": size + b"\r\n" + body + b"\r\n0\r\nHost: evil.example\r\n\r\n",
        "a trailer without a colon": size + b"\r\n" + body + b"\r\n0\r\nGET /\r\n\r\n",
        "a request as a trailer": size + b"\r\n" + body + b"\r\n0\r\n" + hidden,
        "no last chunk": size + b"\r\n" + body + b"\r\n",
        "nothing at all": b"",
    }
    for name, chunks in endings.items():
        yield name, front.head(b"Transfer-Encoding: chunked") + chunks + hidden
        yield f"{name}, hidden first", front.head(b"Transfer-Encoding: chunked") + hidden + chunks
        for at in (1, len(chunks) // 2):
            yield f"{name}, cut at {at}", front.head(b"Transfer-Encoding: chunked") + chunks[:at] + hidden


def doubles(front: Front) -> Iterator[tuple[str, bytes]]:
    """Two tricks at a time, drawn with a fixed seed."""
    draw = random.Random(SEED)
    body, hidden = front.message(), front.smuggled()
    n = len(body)
    lines = [
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding:\tchunked",
        b"Transfer-Encoding: chunked\x00",
        b"transfer-encoding: Chunked",
        b"Transfer-Encoding: identity",
        b"Transfer-Encoding:\x0bchunked",
        b" Transfer-Encoding: chunked",
        b"Content-Length: %d" % n,
        b"Content-Length: 0",
        b"Content-Length: %d" % (n + len(hidden)),
        b"Content-Length: +%d" % n,
        b"Content-Length : %d" % n,
        b"content-length: %d, %d" % (n, n),
        b"Content-Length:\r\n %d" % n,
        b"Connection: close",
        b"Connection: Content-Length",
        b"Expect: 100-continue",
        b"X: y\nContent-Length: 0",
        b"X: y\rTransfer-Encoding: chunked",
        b"Host: evil.example",
        b"Upgrade: h2c",
        b": x",
        b"X\x00: y",
        b"Content_Length: 0",
        b"TE: trailers",
        b"Trailer: X",
    ]
    payloads = [
        body + hidden,
        b"0\r\n\r\n" + hidden,
        b"%x\r\n%b\r\n0\r\n\r\n%b" % (n, body, hidden),
        b"%x\r\n%b\r\n0\r\n\r\n" % (len(hidden), hidden),
        hidden,
    ]
    for number in range(420):
        chosen = draw.sample(lines, draw.choice((2, 2, 3)))
        payload = draw.randrange(len(payloads))
        yield f"{number}: {chosen!r} {payload}", front.head(*chosen) + payloads[payload]


def cut_and_flipped(front: Front) -> Iterator[tuple[str, bytes]]:
    """A good request with the hidden one behind it, in which bytes were dropped, doubled or changed, by a fixed seed."""
    draw = random.Random(SEED + 1)
    body, hidden = front.message(), front.smuggled()
    good = front.head(b"Content-Length: %d" % len(body)) + body
    alphabet = b"\x00\x01\t\n\r \x0b:;,/\\%0123456789aZ\x7f\x80\xff"
    for number in range(200):
        data = bytearray(good)
        for _ in range(draw.choice((1, 1, 2, 4))):
            at = draw.randrange(len(data))
            match draw.randrange(3):
                case 0:
                    del data[at]
                case 1:
                    data.insert(at, data[at])
                case _:
                    data[at] = draw.choice(alphabet)
        yield str(number), bytes(data) + hidden


FAMILIES: dict[str, Family] = {
    family.__name__.replace("_", " "): family
    for family in (
        both_framings,
        coding_bytes,
        coding_values,
        length_bytes,
        length_values,
        line_ends,
        folds,
        chunk_framing,
        request_lines,
        header_names,
        nominations,
        bodies_where_none_belong,
        early_requests,
        doubles,
        cut_and_flipped,
    )
}
