import datetime as dt
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from openclaude.simulator.recorded import Recorded
from openclaude.simulator.signatures import Verifier

REGION = "us-west-2"
KEY_ID = "AKIA" + secrets.token_hex(8).upper()
SECRET = secrets.token_urlsafe(30)
TOKEN = secrets.token_urlsafe(80)
BODY = b'{"messages":[]}'
ARN = f"arn:aws:bedrock:{REGION}:123456789012:inference-profile/us.qwen.qwen3-coder-next"


def signed(
    model: str = "qwen.qwen3-coder-next",
    *,
    token: str | None = None,
    region: str = REGION,
    service: str = "bedrock",
    query: str = "",
    claimed: str | None = None,
) -> Recorded:
    """A request signed by botocore, as it would arrive."""
    url = f"https://bedrock-runtime.{region}.amazonaws.com/model/{quote(model, safe='')}/converse{query}"
    request = AWSRequest("POST", url, headers={"Content-Type": "application/json"}, data=BODY)
    if claimed is not None:
        request.headers["X-Amz-Content-SHA256"] = claimed
    SigV4Auth(Credentials(KEY_ID, SECRET, token), service, region).add_auth(request)
    parts = urlsplit(request.prepare().url)
    headers = {"Host": parts.netloc, **dict(request.headers.items())}
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return Recorded(
        "bedrock",
        0,
        0,
        f"POST {target} HTTP/1.1".encode(),
        tuple((name.encode(), value.encode()) for name, value in headers.items()),
        arrived=0.0,
        body=BODY,
        body_sha256=hashlib.sha256(BODY).hexdigest(),
        body_length=len(BODY),
    )


def with_header(row: Recorded, name: str, value: str) -> Recorded:
    others = tuple(pair for pair in row.headers if pair[0].lower() != name.lower().encode())
    return replace(row, headers=(*others, (name.encode(), value.encode())))


def without_header(row: Recorded, name: str) -> Recorded:
    return replace(
        row, headers=tuple(pair for pair in row.headers if pair[0].lower() != name.lower().encode())
    )


def refusal(row: Recorded, verifier: Verifier | None = None) -> str | None:
    """The kind of refusal, after checking that it is a 403; None when the request is accepted."""
    fail = (verifier or Verifier({KEY_ID: (SECRET, None)}, REGION)).check(row)
    if fail is not None:
        assert fail.status == 403
    return fail.kind if fail else None


@pytest.mark.parametrize(
    "model",
    [
        pytest.param("qwen.qwen3-coder-next", id="plain id"),
        pytest.param("qwen.qwen3-coder-480b-a35b-v1:0", id="id with a colon"),
        pytest.param(ARN, id="ARN with colons and a slash"),
    ],
)
def test_what_botocore_signs_is_accepted(model: str) -> None:
    assert refusal(signed(model)) is None


def test_a_query_is_part_of_the_signature() -> None:
    row = signed(query="?b=2&a=x%20y")
    assert refusal(row) is None
    assert (
        refusal(replace(row, request_line=row.request_line.replace(b"b=2", b"b=3")))
        == "InvalidSignatureException"
    )


def test_a_signed_digest_must_be_that_of_the_body() -> None:
    assert refusal(signed(claimed=hashlib.sha256(BODY).hexdigest())) is None
    assert refusal(signed(claimed=hashlib.sha256(b"{}").hexdigest())) == "InvalidSignatureException"


def test_temporary_credentials_need_their_session_token() -> None:
    verifier = Verifier({KEY_ID: (SECRET, TOKEN)}, REGION)
    assert refusal(signed(token=TOKEN), verifier) is None
    assert refusal(signed(), verifier) == "UnrecognizedClientException"
    assert refusal(signed(token=TOKEN + "x"), verifier) == "UnrecognizedClientException"
    assert refusal(signed(token=TOKEN)) == "UnrecognizedClientException"


def test_expired_keys_are_refused_until_they_are_taken_off_the_list() -> None:
    verifier = Verifier({KEY_ID: (SECRET, None)}, REGION, expired={KEY_ID})
    assert refusal(signed(), verifier) == "ExpiredTokenException"
    verifier.expired.clear()
    assert refusal(signed(), verifier) is None


TAMPERED = [
    pytest.param(
        lambda row: replace(row, body_sha256=hashlib.sha256(b"{}").hexdigest()),
        "InvalidSignatureException",
        id="body",
    ),
    pytest.param(
        lambda row: replace(row, request_line=row.request_line.replace(b"coder-next", b"coder-nexu")),
        "InvalidSignatureException",
        id="path",
    ),
    pytest.param(
        lambda row: replace(row, request_line=row.request_line.replace(b"POST", b"PUT")),
        "InvalidSignatureException",
        id="method",
    ),
    pytest.param(
        lambda row: with_header(row, "host", "evil.invalid"), "InvalidSignatureException", id="signed header"
    ),
    pytest.param(
        lambda row: with_header(row, "X-Amz-Date", row.header("x-amz-date").decode()[:-3] + "59Z"),
        "InvalidSignatureException",
        id="date",
    ),
    pytest.param(
        lambda row: with_header(row, "X-Amz-Date", "yesterday"),
        "InvalidSignatureException",
        id="date out of scope",
    ),
    pytest.param(
        lambda row: with_header(row, "X-Amz-Date", row.header("x-amz-date").decode()[:8] + "noon"),
        "IncompleteSignatureException",
        id="date without time",
    ),
    pytest.param(
        lambda row: with_header(row, "x-amz-content-sha256", "0" * 64),
        "AccessDeniedException",
        id="unsigned x-amz",
    ),
    pytest.param(
        lambda row: with_header(
            row, "Authorization", row.header("authorization").decode().replace(KEY_ID, "AKIA" + "X" * 16)
        ),
        "UnrecognizedClientException",
        id="key id",
    ),
    pytest.param(
        lambda row: with_header(
            row, "Authorization", row.header("authorization").decode().replace("content-type;host", "host")
        ),
        "InvalidSignatureException",
        id="list of signed headers",
    ),
    pytest.param(
        lambda row: with_header(
            row,
            "Authorization",
            row.header("authorization").decode().replace("content-type;host", "content-type"),
        ),
        "InvalidSignatureException",
        id="host not signed",
    ),
    pytest.param(
        lambda row: with_header(row, "Authorization", row.header("authorization").decode()[:-5]),
        "IncompleteSignatureException",
        id="shortened signature",
    ),
    pytest.param(lambda row: without_header(row, "x-amz-date"), "InvalidSignatureException", id="no date"),
    pytest.param(
        lambda row: without_header(row, "authorization"),
        "MissingAuthenticationTokenException",
        id="no signature",
    ),
]


@pytest.mark.parametrize(("change", "kind"), TAMPERED)
def test_each_tampered_element_is_refused(change: Callable[[Recorded], Recorded], kind: str) -> None:
    row = signed()
    assert refusal(row) is None
    assert refusal(change(row)) == kind


def test_a_wrong_secret_region_or_service_is_refused() -> None:
    assert refusal(signed(), Verifier({KEY_ID: (SECRET + "x", None)}, REGION)) == "InvalidSignatureException"
    assert refusal(signed(region="us-east-1")) == "InvalidSignatureException"
    assert refusal(signed(service="bedrock-runtime")) == "InvalidSignatureException"


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        pytest.param(6, "Signature expired: ", id="client late"),
        pytest.param(-6, "Signature not yet current: ", id="client early"),
    ],
)
def test_a_clock_off_by_more_than_five_minutes_is_named(minutes: int, words: str) -> None:
    def clock() -> dt.datetime:
        return dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)

    fail = Verifier({KEY_ID: (SECRET, None)}, REGION, clock=clock).check(signed())
    assert fail is not None
    assert fail.message.startswith(words)


def test_a_clock_off_by_four_minutes_is_tolerated() -> None:
    def clock() -> dt.datetime:
        return dt.datetime.now(dt.UTC) + dt.timedelta(minutes=4)

    assert refusal(signed(), Verifier({KEY_ID: (SECRET, None)}, REGION, clock=clock)) is None
