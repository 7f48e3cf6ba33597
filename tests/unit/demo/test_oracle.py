import base64
import gzip
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaude.demo.oracle import holds

SECRET = "sk-ant-" + "oat01-" + "Zk3/+v9QhT7mB2xW8nLr4cYd6pJs1aGe"

ENCODINGS = {
    "raw": lambda s: s.encode(),
    "reversed": lambda s: s.encode()[::-1],
    "hex": lambda s: s.encode().hex().encode(),
    "base64": lambda s: base64.b64encode(s.encode()),
    "base64 after one byte": lambda s: base64.b64encode(b"x" + s.encode()),
    "base64 after two bytes": lambda s: base64.b64encode(b"xy" + s.encode()),
    "base64url": lambda s: base64.urlsafe_b64encode(s.encode()),
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
