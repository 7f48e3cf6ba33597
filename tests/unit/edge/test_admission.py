import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaude.domain.errors import ApiError
from openclaude.domain.http import Endpoint
from openclaude.edge.admission import Admitted, Challenge, Door, admit, split_credential
from openclaude.wire.http1 import HeadError
from openclaude.wire.identity import verify

SECRET = b"s" * 40
DOOR = Door(4000, SECRET, "identity")
HOST = (b"Host", b"127.0.0.1:4000")
JSON = (b"Content-Type", b"application/json")
BASE = b"/" + SECRET


def outcome(method=b"POST", target=BASE + b"/v1/messages", headers=(HOST, JSON)) -> int:
    try:
        admit(DOOR, method, "1.1", target, headers)
    except (ApiError, HeadError) as error:
        return error.status
    return 200


@pytest.mark.parametrize(
    ("method", "path", "endpoint"),
    [
        (b"POST", b"/v1/messages", Endpoint.MESSAGES),
        (b"POST", b"/v1/messages/count_tokens", Endpoint.COUNT_TOKENS),
        (b"GET", b"/v1/models", Endpoint.MODELS),
        (b"GET", b"/api/hello", Endpoint.HELLO),
        (b"HEAD", b"/api/hello", Endpoint.HELLO),
    ],
)
def test_the_path_table_is_served(method: bytes, path: bytes, endpoint: Endpoint) -> None:
    admitted = admit(DOOR, method, "1.1", BASE + path + b"?beta=true", [HOST, JSON])
    assert isinstance(admitted, Admitted)
    assert (admitted.endpoint, admitted.query) == (endpoint, b"?beta=true")


def test_a_session_in_the_path_is_told_and_is_no_secret() -> None:
    admitted = admit(DOOR, b"POST", "1.1", BASE + b"/s-0123456789ab/v1/messages", [HOST, JSON])
    assert isinstance(admitted, Admitted)
    assert (admitted.endpoint, admitted.session) == (Endpoint.MESSAGES, "0123456789ab")
    assert outcome(target=b"/s-0123456789ab/v1/messages") == 401


@pytest.mark.parametrize(
    ("path", "profile", "session"),
    [
        (b"/p-work/v1/messages", "work", ""),
        (b"/p-work/s-0123456789ab/v1/messages", "work", "0123456789ab"),
        (b"/v1/messages", "", ""),
    ],
)
def test_a_profile_in_the_path_is_told(path: bytes, profile: str, session: str) -> None:
    admitted = admit(DOOR, b"POST", "1.1", BASE + path, [HOST, JSON])
    assert isinstance(admitted, Admitted)
    assert (admitted.profile, admitted.session) == (profile, session)


@pytest.mark.parametrize(
    "path",
    [
        b"/p-Work/v1/messages",
        b"/p-/v1/messages",
        b"/p-a/p-b/v1/messages",
        b"/s-0123456789ab/p-work/v1/messages",
        b"/s-0123456789AB/v1/messages",
        b"/s-0123456789a/v1/messages",
        b"/s-0123456789ab",
        b"/s-0123456789ab/s-0123456789ab/v1/messages",
        b"/v1/messages/",
        b"//v1/messages",
        b"/v1//messages",
        b"/v1/messages;x",
        b"/v1/%6dessages",
        b"/v1/messages%2fbatches",
        b"/v1/../v1/messages",
        b"/V1/messages",
        b"/v1/messages/batches",
        b"/v1/organizations",
        b"/",
        b"",
    ],
)
def test_any_other_path_is_a_404(path: bytes) -> None:
    assert outcome(target=BASE + path) == 404


@given(st.binary(max_size=60))
def test_without_the_secret_nothing_is_served(guess: bytes) -> None:
    target = b"/" + guess + b"/v1/messages"
    if not target.startswith(BASE + b"/"):
        assert outcome(target=target) in {400, 401}


@pytest.mark.parametrize(
    "host",
    [
        b"127.0.0.1",
        b"127.0.0.1:4001",
        b"localhost",
        b"evil.example:4000",
        b"127.0.0.1:4000.evil.example",
        b"127.0.0.1:4000@evil",
        b"0.0.0.0:4000",
        b"[::1]:4000",
        b"LOCALHOST:4000",
        b"",
    ],
)
def test_another_host_is_refused(host: bytes) -> None:
    assert outcome(headers=[(b"Host", host), JSON]) == 421
    nonce = b"/.openclaude/identify?nonce=" + b"0123456789abcdef" * 2
    assert outcome(b"GET", nonce, [(b"Host", host)]) == 421


@pytest.mark.parametrize(
    "header",
    [
        (b"Origin", b"https://evil.example"),
        (b"Origin", b"null"),
        (b"Sec-Fetch-Site", b"cross-site"),
        (b"Sec-Fetch-Site", b"same-site"),
    ],
)
def test_a_web_page_is_refused(header) -> None:
    assert outcome(headers=[HOST, JSON, header]) == 403


@pytest.mark.parametrize(
    ("header", "status"),
    [
        pytest.param((b"Content-Type", b"application/json; charset=utf-8"), 200, id="with a parameter"),
        pytest.param((b"Content-Type", b"Application/JSON"), 200, id="in other case"),
        pytest.param((b"Content-Type", b"text/plain"), 415, id="what a form can send"),
        pytest.param((b"Content-Type", b"application/json-seq"), 415, id="another type"),
        pytest.param((b"X-Nothing", b""), 415, id="no type"),
    ],
)
def test_a_body_is_json_and_says_so(header, status: int) -> None:
    assert outcome(headers=[HOST, header]) == status


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"deflate", b"identity, gzip", b""])
def test_a_compressed_body_is_refused_with_the_variable_that_asks_for_it(coding: bytes) -> None:
    with pytest.raises(ApiError, match="CLAUDE_CODE_GZIP_REQUEST_BODIES") as caught:
        admit(DOOR, b"POST", "1.1", BASE + b"/v1/messages", [HOST, JSON, (b"Content-Encoding", coding)])
    assert caught.value.status == 415
    assert outcome(headers=[HOST, JSON, (b"Content-Encoding", b"identity")]) == 200


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        pytest.param(b"POST", b"/v1/messages?beta=false", 200, id="beta"),
        pytest.param(b"POST", b"/v1/messages?", 400, id="an empty query"),
        pytest.param(b"POST", b"/v1/messages?beta=true&beta=true", 400, id="beta twice"),
        pytest.param(b"POST", b"/v1/messages?Beta=true", 400, id="another case"),
        pytest.param(b"POST", b"/v1/messages?bet%61=true", 400, id="an encoded name"),
        pytest.param(b"POST", b"/v1/messages?beta=true;x", 400, id="a semicolon"),
        pytest.param(b"POST", b"/v1/messages??beta=true", 400, id="two question marks"),
        pytest.param(b"GET", b"/v1/models?limit=1000&after_id=claude-opus-5-5", 200, id="a page of models"),
        pytest.param(b"GET", b"/v1/models?path=/v1/x", 400, id="an unknown key"),
        pytest.param(b"GET", b"/api/hello?x=1", 400, id="hello with a query"),
    ],
)
def test_queries_are_a_closed_list_too(method: bytes, target: bytes, status: int) -> None:
    headers = [HOST, JSON] if method == b"POST" else [HOST]
    assert outcome(method, BASE + target, headers) == status


def test_only_a_post_has_a_body() -> None:
    assert outcome(b"GET", BASE + b"/v1/models", [HOST, (b"Content-Length", b"0")]) == 200
    assert outcome(b"GET", BASE + b"/v1/models", [HOST, (b"Content-Length", b"1")]) == 400
    assert outcome(b"GET", BASE + b"/v1/models", [HOST, (b"Transfer-Encoding", b"chunked")]) == 400
    nonce = b"/.openclaude/identify?nonce=" + b"0123456789abcdef" * 2
    assert outcome(b"GET", nonce, [HOST, (b"Content-Length", b"1")]) == 400


def test_a_web_page_gets_no_proof_of_identity() -> None:
    nonce = b"/.openclaude/identify?nonce=" + b"0123456789abcdef" * 2
    assert outcome(b"GET", nonce, [HOST, (b"Sec-Fetch-Site", b"cross-site")]) == 403


def test_a_body_over_the_limit_is_refused_before_it_arrives() -> None:
    assert outcome(headers=[HOST, JSON, (b"Content-Length", b"67108864")]) == 200
    assert outcome(headers=[HOST, JSON, (b"Content-Length", b"67108865")]) == 413


def test_a_challenge_is_answered_without_the_secret_and_proves_the_port() -> None:
    nonce = "0123456789abcdef" * 2
    target = b"/.openclaude/identify?nonce=" + nonce.encode()
    answer = admit(DOOR, b"GET", "1.1", target, [HOST])
    assert isinstance(answer, Challenge)
    assert verify("identity", nonce, 4000, answer.proof)


@pytest.mark.parametrize(
    "query",
    [b"", b"?nonce=", b"?nonce=xyz", b"?nonce=" + b"A" * 32, b"?" + b"0" * 32, b"?x&nonce=" + b"0" * 32],
)
def test_a_challenge_without_a_nonce_is_a_400(query: bytes) -> None:
    assert outcome(b"GET", b"/.openclaude/identify" + query) == 400


def test_the_credential_is_taken_out_of_the_headers(canary) -> None:
    secret = canary().encode()
    pairs = [
        (b"Authorization", b"Bearer " + secret),
        (b"X-Api-Key", secret),
        (b"Cookie", secret),
        (b"Proxy-Authorization", secret),
        (b"X-Amz-Security-Token", secret),
        (b"Anthropic-Beta", b"b"),
    ]
    safe, credential = split_credential(pairs)
    assert list(safe) == [(b"Anthropic-Beta", b"b")]
    assert credential is not None
    assert credential.header == "authorization, x-api-key"


def test_a_request_without_a_login_has_no_credential() -> None:
    assert split_credential([(b"Cookie", b"a")])[1] is None
