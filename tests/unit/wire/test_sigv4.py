import hashlib
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from openclaude.domain.http import SafeHeaders, UpstreamRequest
from openclaude.wire.sigv4 import Begun, Scope, sign

NOW = datetime(2026, 11, 22, 5, 6, 7, tzinfo=UTC)
KEYS = ("AKID" + "EXAMPLE", "a" + "/secret+" + "key")


class Keys(NamedTuple):
    """Keys that sign."""

    access_key: str
    secret_key: str
    token: str | None
    begun: dict[object, Begun]


def botocore_lines(target: str, body: bytes, region: str, host: str, token: str | None) -> dict[str, str]:
    """What botocore's own signer puts on the same request at the same time."""
    request = AWSRequest(
        "POST", f"https://{host}{target}", data=body, headers={"content-type": "application/json"}
    )
    signer = SigV4Auth(Credentials(*KEYS, token), "bedrock", region)
    stamp = NOW.strftime("%Y%m%dT%H%M%SZ")
    request.context["timestamp"] = stamp
    request.headers["X-Amz-Date"] = stamp
    if token:
        request.headers["X-Amz-Security-Token"] = token
    canonical = signer.canonical_request(request)
    to_sign = signer.string_to_sign(request, canonical)
    names = signer.signed_headers(signer.headers_to_sign(request))
    signature = signer.signature(to_sign, request)
    scope = f"{NOW:%Y%m%d}/{region}/bedrock/aws4_request"
    expected = {
        "x-amz-date": stamp,
        "authorization": f"AWS4-HMAC-SHA256 Credential={KEYS[0]}/{scope}, SignedHeaders={names}, Signature={signature}",
    }
    return expected | ({"x-amz-security-token": token} if token else {})


def our_lines(target: str, body: bytes, region: str, host: str, token: str | None) -> dict[str, str]:
    headers = SafeHeaders([(b"Content-Type", b"application/json"), (b"Accept", b"application/json")])
    digest = hashlib.sha256(body).hexdigest()
    request = UpstreamRequest(b"POST", target.encode(), headers, len(body), digest)
    raw = sign(Scope(region, "bedrock", host), request, Keys(*KEYS, token, {}), NOW)
    assert raw.endswith(b"\r\n")
    pairs = (line.split(": ", 1) for line in raw.decode().split("\r\n")[:-1])
    return {name.lower(): value for name, value in pairs}


@pytest.mark.parametrize(
    "model",
    [
        "qwen.qwen3-coder-next",
        "qwen.qwen3-32b-v1:0",
        "arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/ab12",
    ],
    ids=["plain", "with a colon", "an ARN"],
)
@pytest.mark.parametrize("token", [None, "session-token/+="], ids=["long-term keys", "session token"])
def test_signatures_equal_botocores(model: str, token: str | None) -> None:
    target = f"/model/{quote(model, safe='-_.~')}/converse-stream"
    arguments = (target, b'{"messages":[]}', "us-west-2", "bedrock-runtime.us-west-2.amazonaws.com", token)
    assert our_lines(*arguments) == botocore_lines(*arguments)


@given(
    # Botocore takes the segments `.` and `..` out of the path; no route's model is called so.
    st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=30).filter(
        lambda name: name not in (".", "..")
    ),
    st.binary(max_size=200),
    st.sampled_from(["us-west-2", "eu-central-1", "cn-north-1"]),
)
def test_signatures_equal_botocores_for_any_name_body_and_region(name: str, body: bytes, region: str) -> None:
    target = f"/model/{quote(name, safe='-_.~')}/converse"
    host = f"bedrock-runtime.{region}.amazonaws.com"
    assert our_lines(target, body, region, host, None) == botocore_lines(target, body, region, host, None)


def test_a_signature_is_of_its_own_second_body_keys_and_token_whatever_was_signed_before() -> None:
    kept: dict[object, Keys] = {}

    def signed(
        *, second: int = 7, body: bytes = b"{}", keys: tuple[str, str] = KEYS, token: str | None = None
    ) -> bytes:
        digest = hashlib.sha256(body).hexdigest()
        request = UpstreamRequest(b"POST", b"/model/m/converse", SafeHeaders(), len(body), digest)
        scope = Scope("us-west-2", "bedrock", "h.example")
        own = kept.setdefault((keys, token), Keys(*keys, token, {}))
        return sign(scope, request, own, NOW.replace(second=second, microsecond=999_999))

    def all_kinds() -> list[bytes]:
        others = [signed(body=b"[]"), signed(keys=(KEYS[0], "other")), signed(token="t"), signed(second=8)]
        return [signed(), *others]

    first = all_kinds()
    assert all_kinds() == first
    assert len({line.rpartition(b"Signature=")[2] for line in first}) == len(first)


def test_keys_remember_few_of_the_signatures_they_began() -> None:
    keys = Keys(*KEYS, None, {})
    request = UpstreamRequest(b"POST", b"/model/m/converse", SafeHeaders(), 2, "0" * 64)
    lines = [
        sign(Scope(f"us-west-{number}", "bedrock", "h.example"), request, keys, NOW) for number in range(40)
    ]
    assert len(set(lines)) == 40
    assert 0 < len(keys.begun) <= 16
