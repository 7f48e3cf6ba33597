"""The Anthropic route is a pipe: what the client sends is what the provider gets, and the other way round."""

import gzip
import hashlib
import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from openclaude.simulator.replies import FOREVER, Framing, Pause, Piece, Reply, json_reply
from support.rawhttp import Client, Header
from support.staging import OPUS, PLAY_HEADER, Stage, message_body, staged

CASES = 200
GROUPS = 8
SMALLEST = 2_000
LARGEST = 30_000_000
TEXTS = (
    "plain words ",
    'a "quote", a \\ and a tab\t',
    "naïve café ",
    "日本語の文章 ",
    "🙂🧑‍💻 ",
    "\x7f",
    "</script>",
)

pytestmark = pytest.mark.xdist_group("byte-exact")


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage whose simulators keep digests: the bodies of all cases together would fill the memory."""
    with staged(tmp_path_factory.mktemp("pipe") / "home", keep_raw=False) as running:
        yield running


@dataclass(frozen=True)
class Case:
    """One request and its answer, made from the case's number."""

    body: bytes
    answer: bytes
    stream: bool
    chunked_upload: bool
    framing: Framing

    @classmethod
    def number(cls, number: int) -> "Case":
        rng = random.Random(f"byte-exact {number}")
        stream = rng.random() < 0.6
        framing = Framing.CHUNKED if stream else rng.choice(list(Framing))
        body = a_body(rng, a_size(rng, number), stream=stream, shape=number % 4)
        answer = rng.randbytes(a_size(rng, number // 2))
        return cls(body, answer, stream, rng.random() < 0.4, framing)

    def reply(self, rng: random.Random) -> Reply:
        ends = sorted(rng.randrange(len(self.answer) + 1) for _ in range(rng.randrange(1, 60)))
        edges = [0, *ends, len(self.answer)]
        pieces: list[Piece] = [
            self.answer[start:end] for start, end in itertools.pairwise(edges) if end > start
        ]
        kind = "text/event-stream; charset=utf-8" if self.stream else "application/json"
        return Reply(200, (("content-type", kind), ("request-id", "req_exact")), pieces, self.framing)


def a_size(rng: random.Random, number: int) -> int:
    """Log-uniform from the smallest to 2 MB, so that most of 200 cases are quick; every 67th is of the largest."""
    return LARGEST if number % 67 == 66 else int(SMALLEST * 1000 ** rng.random())


def a_body(rng: random.Random, size: int, *, stream: bool, shape: int) -> bytes:
    """A Messages request of about `size` bytes.

    The shapes: the model first, the model last, escapes in the model's name and key, and keys and white space that
    no client sends but JSON allows.
    """
    text = "".join(rng.choice(TEXTS) for _ in range(40))
    ascii_only = rng.random() < 0.5
    unit = json.dumps(text, ensure_ascii=ascii_only)[1:-1].encode()
    content = (unit * (size // len(unit) + 1))[: size // len(unit) * len(unit)]
    messages = b'[{"role":"user","content":"%b"}]' % content
    fields = b'"max_tokens":64,"stream":%b,"messages":%b' % (b"true" if stream else b"false", messages)
    model = b'"%b"' % OPUS.encode()
    match shape:
        case 0:
            return b'{"model":%b,%b}' % (model, fields)
        case 1:
            return b'{%b,"model":%b}' % (fields, model)
        case 2:
            return b'{"mod\\u0065l": "\\u0063laude-opus-5-5",%b}' % fields
        case _:
            junk = b'"x":[1e400,-0.0,1E+2,"\\ud83d\\ude42","\\/"],"model":"not this one","nested":{"model":"nor this"}'
            return b' \r\n\t{ %b ,\n"model" :\t%b , %b,"model":%b }\n\n' % (junk, model, fields, model)


@pytest.mark.parametrize("group", range(GROUPS), ids=lambda group: f"cases-{group}-of-{GROUPS}")
def test_request_bodies_and_answers_have_the_same_digest_on_both_sides(pipe: Stage, group: int) -> None:
    for number in range(group, CASES, GROUPS):
        case = Case.number(number)
        rng = random.Random(f"cuts {number}")
        name = pipe.plays.add(lambda _, case=case, rng=rng: case.reply(rng))
        cuts = sorted(rng.randrange(len(case.body)) for _ in range(9)) if case.chunked_upload else None
        with Client(pipe.gateway) as client:
            client.post(
                "/v1/messages?beta=true", pipe.headers((PLAY_HEADER, name.encode())), case.body, cuts=cuts
            )
            response = client.read()
        arrived = next(
            row for row in pipe.world.requests() if row.header("x-claude-code-play") == name.encode()
        )
        assert arrived.body_sha256 == hashlib.sha256(case.body).hexdigest()
        assert arrived.header("content-length") == str(len(case.body)).encode()
        assert response.whole
        assert response.status == 200
        assert hashlib.sha256(response.body).hexdigest() == hashlib.sha256(case.answer).hexdigest()


def test_the_cases_reach_from_two_kilobytes_to_thirty_megabytes_in_every_form() -> None:
    cases = [Case.number(number) for number in range(CASES)]
    sizes = sorted(len(case.body) for case in cases)
    assert sizes[0] < 2 * SMALLEST
    assert sizes[-1] >= LARGEST * 0.99
    assert {(case.stream, case.chunked_upload) for case in cases} == {
        (stream, chunked) for stream in (True, False) for chunked in (True, False)
    }
    assert {case.framing for case in cases} == set(Framing)


def test_end_to_end_headers_arrive_byte_for_byte_in_order_and_nothing_else_does(stage: Stage) -> None:
    sent: list[Header] = [
        (b"aCCept", b"application/json, text/event-stream;q=0.9"),
        (b"Authorization", b"Bearer " + stage.home.login.encode()),
        (b"Content-Type", b"application/json; charset=utf-8"),
        (b"User-Agent", b"claude-cli/2.1.330 (external, sdk-cli)"),
        (b"anthropic-beta", b"oauth-2025-04-20,  context-1m-2025-08-07 ,x"),
        (b"anthropic-beta", b"second-line-2026-01-01"),
        (b"Anthropic-Version", b"2023-06-01"),
        (b"anthropic-workspace-id", "wrkspc_ü".encode()),
        (b"X-Stainless-Helper-Method", b"stream"),
        (b"x-stainless-arch", b"x64"),
        (b"X-Claude-Code-Session-Id", b"0000"),
        (b"x-claude-code-agent-id", b"a b  c"),
        (b"X-App", b"cli"),
        (b"Accept-Encoding", b"gzip, deflate, br, zstd"),
    ]
    kept = [pair for pair in sent if pair[0] != b"Authorization"]
    never: list[Header] = [
        (b"Cookie", b"session=" + b"c" * 20),
        (b"Proxy-Authorization", b"Basic " + b"p" * 20),
        (b"X-Forwarded-For", b"10.0.0.1"),
        (b"Via", b"1.1 proxy"),
        (b"Connection", b"keep-alive, x-app"),
        (b"Keep-Alive", b"timeout=5"),
        (b"X-Custom", b"of the user's own"),
        (b"traceparent", b"00-0-0-00"),
    ]
    stage.extra["cookie"] = "c" * 20
    body = stage.body("anthropic", lambda _: json_reply({}), stream=False)
    with Client(stage.gateway) as client:
        client.post("/v1/messages?beta=true", [*sent, *never], body)
        assert stage.receive(client).status == 200
    (row,) = stage.requests(body)
    assert row.request_line == b"POST /v1/messages?beta=true HTTP/1.1"
    assert row.headers[0] == (b"Host", b"api.anthropic.com")
    own = {b"host", b"content-length", b"authorization"}
    assert [pair for pair in row.headers if pair[0].lower() not in own] == kept
    assert sorted(name.lower() for name, _ in row.headers if name.lower() in own) == sorted(own)
    assert row.header("authorization") == b"Bearer " + stage.home.login.encode()
    assert row.header("content-length") == str(len(body)).encode()


@pytest.mark.parametrize(
    ("header", "value"),
    [(b"X-Api-Key", b"key-" + b"k" * 24), (b"authorization", b"Bearer " + b"t" * 24)],
    ids=["api-key", "bearer"],
)
def test_the_login_arrives_in_the_header_the_client_chose(stage: Stage, header: bytes, value: bytes) -> None:
    body = stage.body("anthropic", lambda _: json_reply({}), stream=False)
    others = [pair for pair in stage.headers() if pair[0] != b"Authorization"]
    with Client(stage.gateway) as client:
        client.post("/v1/messages", [*others, (header, value)], body)
        assert stage.receive(client).status == 200
    (row,) = stage.requests(body)
    logins = [pair for pair in row.headers if pair[0].lower() in {b"x-api-key", b"authorization"}]
    assert logins == [(header, value)]


@pytest.mark.parametrize("status", [200, 201, 400, 401, 403, 404, 413, 422, 429, 500, 503, 529])
def test_status_body_and_the_headers_a_client_reads_come_back_unchanged(stage: Stage, status: int) -> None:
    shown = (
        ("Content-Type", "application/json"),
        ("request-id", f"req_{status}"),
        ("anthropic-ratelimit-unified-status", "rejected"),
        ("anthropic-ratelimit-unified-reset", "4102444800"),
        ("Anthropic-RateLimit-Requests-Remaining", "0"),
        ("anthropic-organization-id", "org"),
        ("Retry-After", "17"),
        ("x-should-retry", "false"),
    )
    hidden = (("set-cookie", "a=b"), ("alt-svc", 'h3=":443"'), ("location", "https://evil.invalid/"))
    text = '{"type": "error",\n "error": {"type":"odd_error", "message": "Überlastet \\u0041"}}'.encode()
    body = stage.body("anthropic", lambda _: Reply(status, (*shown, *hidden), (text,)), stream=False)
    response = stage.ask(body)
    assert (response.status, response.body) == (status, text)
    relayed = [(name.decode(), value.decode()) for name, value in response.headers]
    said = [
        ("x-openclaude-route", "anthropic"),
        ("x-openclaude-model", json.loads(body)["model"]),
        ("x-openclaude-reason", "match"),
    ]
    assert [pair for pair in relayed if pair[0] not in {"date", "content-length"}] == [*shown, *said]
    assert len(stage.requests(body)) == 1


def test_a_compressed_answer_is_relayed_unread(stage: Stage) -> None:
    packed = gzip.compress(b'{"usage":{"input_tokens":7}}' * 500)
    headers = (("content-type", "application/json"), ("content-encoding", "gzip"))
    response = stage.play("anthropic", lambda _: Reply(200, headers, (packed,)), stream=False)
    assert response.body == packed
    assert response.get("content-encoding") == "gzip"


@pytest.mark.parametrize(
    "framing", [Framing.CHUNKED, Framing.LENGTH, Framing.CLOSE], ids=lambda item: item.value
)
def test_an_event_reaches_the_client_while_the_provider_still_holds_the_rest(
    stage: Stage, framing: Framing
) -> None:
    first = b"event: message_start\ndata: {}\n\n"
    declared = 10_000 if framing is Framing.LENGTH else None
    reply = Reply(
        200,
        (("content-type", "text/event-stream"),),
        (first, Pause(FOREVER)),
        framing,
        declared_length=declared,
    )
    body = stage.body("anthropic", lambda _: reply, stream=True)
    with Client(stage.gateway) as client:
        client.post("/v1/messages?beta=true", stage.headers(), body)
        head = client.read_head()
        assert head.status == 200
        assert next(client.pieces(head)) == first
        (row,) = stage.requests(body)
        assert row.finished is None


def test_body_bytes_reach_the_provider_before_the_client_has_sent_the_rest(stage: Stage) -> None:
    body = stage.body(
        "anthropic", lambda _: json_reply({}), stream=False, metadata={"user_id": "u" * 100_000}
    )
    mark = b"x-claude-code-agent-id", b"early-" + stage.plays.add(lambda _: json_reply({})).encode()
    with Client(stage.gateway) as client:
        client.send(client.head("/v1/messages?beta=true", stage.headers(mark), len(body)) + body[:50_000])
        stage.world.wait_for(lambda rows: [row for row in rows if row.header(mark[0].decode()) == mark[1]])
        client.send(body[50_000:])
        assert stage.receive(client).status == 200
    (row,) = stage.requests(body)
    assert row.body == body


@pytest.mark.parametrize(
    "written",
    [f"{OPUS}[1m]", f"{OPUS}[1M]", f"{OPUS}[1m][1M]", f"  {OPUS} ", f"{OPUS}[1m] ", f"\t{OPUS} [1m]\n"],
    ids=["suffix", "upper-case", "doubled", "blanks", "suffix-and-blank", "tab-and-line-feed"],
)
@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("upload", ["length", "chunks"])
def test_a_name_that_is_normalised_changes_and_nothing_else_does(
    stage: Stage, written: str, place: str, upload: str
) -> None:
    name = stage.plays.add(lambda _: json_reply({}))
    rest = (
        b'"max_tokens" :  9,"messages":[ {"role":"user","content":"%b \\u0041 \xc3\xbc \\" [1m]"} ]'
        % name.encode()
    )
    quoted = json.dumps(written).encode()
    before, after = (
        (b'{"model": ', b", " + rest + b"}\n") if place == "first" else (b"{" + rest + b',"model":', b" }")
    )
    cuts = (7, 20, 60) if upload == "chunks" else None
    with Client(stage.gateway) as client:
        client.post("/v1/messages", stage.headers(), before + quoted + after, cuts=cuts)
        assert stage.receive(client).status == 200
    row = next(row for row in stage.world.requests() if row.body is not None and name.encode() in row.body)
    assert row.body == before + b'"%b"' % OPUS.encode() + after
    assert row.header("content-length") == str(len(row.body)).encode()


def test_two_requests_on_one_connection_are_answered_in_turn(stage: Stage) -> None:
    with Client(stage.gateway) as client:
        for text in ("one", "two", "three"):
            body = message_body(OPUS, f"{text} {stage.prompt}", stream=False)
            client.post("/v1/messages?beta=true", stage.headers(), body)
            answer = stage.receive(client)
            assert answer.status == 200
            assert f"heard: {text}" in answer.json()["content"][0]["text"]


def test_count_tokens_goes_through_byte_for_byte(stage: Stage) -> None:
    body = b'{"messages":[{"role":"user","content":"count me"}], "model":"%b"}' % OPUS.encode()
    response = stage.ask(body, target="/v1/messages/count_tokens?beta=true")
    assert response.json() == {"input_tokens": len(body) // 4}
    row = stage.world.requests()[-1]
    assert (row.target, row.body) == (b"/v1/messages/count_tokens?beta=true", body)
