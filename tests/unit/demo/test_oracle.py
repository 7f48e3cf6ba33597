import base64
import gzip
import json
import zlib
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaude.demo.oracle import Index, holds

SECRET = "sk-ant-" + "oat01-" + "Zk3/+v9QhT7mB2xW8nLr4cYd6pJs1aGe"

ENCODINGS = {
    "raw": lambda s: s.encode(),
    "reversed": lambda s: s.encode()[::-1],
    "hex": lambda s: s.encode().hex().encode(),
    "base64": lambda s: base64.b64encode(s.encode()),
    "base64 after one byte": lambda s: base64.b64encode(b"x" + s.encode()),
    "base64 after two bytes": lambda s: base64.b64encode(b"xy" + s.encode()),
    "base64url": lambda s: base64.urlsafe_b64encode(s.encode()),
    "percent, every byte": lambda s: "".join(f"%{b:02x}" for b in s.encode()).encode(),
    "json escapes in capitals": lambda s: "".join(f"\\u{ord(c):04X}" for c in s).encode(),
    "html in hex": lambda s: "".join(f"&#x{ord(c):x};" for c in s).encode(),
    "deflate": lambda s: zlib.compress(b"before " + s.encode()),
    "the pieces of a stream": lambda s: b"".join(
        b"event: x\ndata: " + json.dumps({"delta": {"text": s[at : at + 5]}}).encode() + b"\n\n"
        for at in range(0, len(s), 5)
    ),
    "the pieces of frames": lambda s: b"".join(
        b"\0\0frame"
        + json.dumps(
            {"bytes": base64.b64encode(json.dumps({"text": s[at : at + 5]}).encode()).decode()}
        ).encode()
        for at in range(0, len(s), 5)
    ),
    "percent": lambda s: quote(s, safe="").encode(),
    "json escapes": lambda s: "".join(f"\\u{ord(c):04x}" for c in s).encode(),
    "json": lambda s: json.dumps({"a": s}).encode(),
    "html": lambda s: "".join(f"&#{ord(c)};" for c in s).encode(),
    "gzip": lambda s: gzip.compress(b"before " + s.encode()),
    "a part": lambda s: s[-20:-6].encode(),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(before=st.binary(max_size=50), after=st.binary(max_size=50))
def test_a_secret_is_found_in_every_encoding(encoding: str, before: bytes, after: bytes) -> None:
    assert holds(before + ENCODINGS[encoding](SECRET) + after, SECRET)


@given(st.binary(max_size=4000))
def test_bytes_without_the_secret_do_not_hold_it(data: bytes) -> None:
    assert not holds(data, SECRET)


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(before=st.binary(max_size=50), after=st.binary(max_size=50))
def test_an_index_finds_what_a_search_for_each_secret_finds(
    encoding: str, before: bytes, after: bytes
) -> None:
    index = Index({"this": SECRET, "another": SECRET[::-1].upper() + "0" * 12, "too short": "abc"})
    assert index.found(before + ENCODINGS[encoding](SECRET) + after) == {"this"}


@given(st.binary(max_size=4000))
def test_an_index_finds_nothing_in_other_bytes(data: bytes) -> None:
    assert Index({"this": SECRET}).found(data) == set()
