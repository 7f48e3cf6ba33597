import pytest

from openclaude.adapters.anthropic import AnthropicAdapter
from openclaude.domain.errors import ApiError, upstream_unreachable
from openclaude.domain.http import Endpoint, Header, InboundRequest, SafeHeaders
from support.gateway import Gateway


def test_status_body_and_the_headers_a_client_reads_come_back_unchanged() -> None:
    gateway = Gateway()
    call = gateway.ask("claude-opus-5-5")
    assert call is not None
    shown = [
        (b"Content-Type", b"application/json"),
        (b"request-id", b"req_1"),
        (b"anthropic-ratelimit-unified-status", b"rejected"),
        (b"retry-after", b"30"),
        (b"x-should-retry", b"false"),
    ]
    hidden = [(b"Set-Cookie", b"a=b"), (b"Location", b"https://e"), (b"Alt-Svc", b"h3"), (b"X-Unknown", b"1")]
    call.answer(429, b'{"type":"error"}', [*shown, *hidden])
    assert gateway.client.status == 429
    assert gateway.client.body == b'{"type":"error"}'
    said = {
        b"x-openclaude-route": b"anthropic",
        b"x-openclaude-model": b"claude-opus-5-5",
        b"x-openclaude-reason": b"match",
    }
    assert gateway.client.headers == {name.lower(): value for name, value in shown} | said
    assert gateway.log.records[0].upstream_request_id == "req_1"


def test_only_allowlisted_request_headers_go_out_in_their_order_and_case() -> None:
    gateway = Gateway()
    kept = (
        (b"Accept", b"*/*"),
        (b"X-Stainless-Lang", b"js"),
        (b"anthropic-beta", b"b,a"),
        (b"User-Agent", b"c"),
    )
    raw = b'{"model":"claude-opus-5-5"}'
    exchange = gateway.begin(
        length=len(raw),
        headers=(
            kept[0],
            (b"X-Evil", b"1"),
            kept[1],
            (b"Host", b"h"),
            kept[2],
            (b"Connection", b"close"),
            kept[3],
        ),
    )
    exchange.body(raw)
    assert tuple(gateway.transport.calls[0].authorized.request.headers) == kept


def test_headers_that_come_again_for_something_else_are_sent_for_that() -> None:
    headers, adapter = SafeHeaders([(b"Accept", b"*/*"), (b"X-Evil", b"1")]), AnthropicAdapter()

    def sent(endpoint: Endpoint, query: bytes) -> bytes:
        request = adapter.request(InboundRequest("req_oc_test", endpoint, query, headers, 7), 7)
        assert request.headers.pairs == ((b"Accept", b"*/*"),)
        assert (request.method, request.content_length, request.body_sha256) == (b"POST", 7, "")
        return request.target

    assert (
        sent(Endpoint.MESSAGES, b"?beta=true")
        == sent(Endpoint.MESSAGES, b"?beta=true")
        == b"/v1/messages?beta=true"
    )
    assert sent(Endpoint.MESSAGES, b"") == b"/v1/messages"
    assert sent(Endpoint.COUNT_TOKENS, b"") == b"/v1/messages/count_tokens"
    with pytest.raises(ApiError, match="beta"):
        sent(Endpoint.COUNT_TOKENS, b"?evil=1")
    assert sent(Endpoint.COUNT_TOKENS, b"") == b"/v1/messages/count_tokens"


def test_a_request_without_a_login_is_a_401_and_nothing_is_sent() -> None:
    gateway = Gateway()
    raw = b'{"model":"claude-opus-5-5"}'
    exchange = gateway.begin(length=len(raw), login=None)
    exchange.body(raw)
    assert gateway.client.status == 401
    assert gateway.transport.calls == []


def test_an_unknown_query_is_a_400() -> None:
    gateway = Gateway()
    raw = b'{"model":"claude-opus-5-5"}'
    exchange = gateway.begin(length=len(raw), query=b"?redirect=https://evil")
    exchange.body(raw)
    assert gateway.client.status == 400
    assert gateway.transport.calls == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_neither_followed_nor_shown(status: int) -> None:
    gateway = Gateway()
    call = gateway.ask("claude-opus-5-5")
    assert call is not None
    call.receiver.head(status, [(b"Location", b"https://evil.example")], 0)
    assert gateway.client.status == 502
    assert b"evil" not in gateway.client.body
    assert b"location" not in gateway.client.headers
    assert call.events == ["cancelled"]
    assert len(gateway.transport.calls) == 1


def test_a_failure_before_the_answer_is_an_error_and_is_not_retried() -> None:
    gateway = Gateway()
    call = gateway.ask("claude-opus-5-5")
    assert call is not None
    call.fail(upstream_unreachable("openClaude: it is gone"))
    assert (gateway.client.status, gateway.error["type"]) == (502, "api_error")
    assert gateway.client.headers[b"x-should-retry"] == b"true"
    assert len(gateway.transport.calls) == 1


def test_a_stream_that_breaks_is_cut_for_the_client_too() -> None:
    gateway = Gateway()
    call = gateway.ask("claude-opus-5-5", stream=True)
    assert call is not None
    call.receiver.head(200, [(b"content-type", b"text/event-stream")], None)
    call.receiver.data(b"event: message_start\n\n")
    call.fail(upstream_unreachable("openClaude: it is gone"))
    assert gateway.client.events == ["start", "abort"]
    assert gateway.log.records[0].outcome == "upstream_failed"


def test_a_client_that_leaves_closes_the_provider_at_once() -> None:
    gateway = Gateway()
    call = gateway.ask("claude-opus-5-5")
    assert call is not None
    gateway.exchange.client_left()
    assert call.events == ["cancelled"]
    assert gateway.log.records[0].outcome == "client_left"


@pytest.mark.parametrize("passed", [1, 16, 17])
def test_what_passed_as_chunks_is_counted_also_where_the_client_leaves(passed: int) -> None:
    gateway = Gateway()
    call = gateway.ask("claude-opus-5-5", stream=True)
    assert call is not None
    call.receiver.head(200, [(b"content-type", b"text/event-stream")], None)
    for _ in range(passed):
        call.chunk(b'{"usage":{"output_tokens":7}}')
    gateway.exchange.client_left()
    (record,) = gateway.log.records
    assert (record.bytes_out, record.output_tokens, record.outcome) == (29 * passed, 7, "client_left")


@pytest.mark.parametrize(("status", "length"), [(200, 5), (302, None), (204, None)])
def test_only_chunks_of_an_answer_that_is_sent_in_chunks_pass(status: int, length: int | None) -> None:
    gateway = Gateway()
    call = gateway.ask("claude-opus-5-5")
    assert call is not None
    call.receiver.head(status, [], length)
    if not call.events:
        call.receiver.data(b"some")
    assert call.take is None


def test_a_slow_client_pauses_the_provider_and_a_slow_provider_pauses_the_client() -> None:
    gateway = Gateway()
    call = gateway.ask("claude-opus-5-5")
    assert call is not None
    gateway.exchange.client_full()
    gateway.exchange.client_drained()
    call.receiver.upstream_full()
    call.receiver.upstream_drained()
    assert call.events == ["paused", "resumed"]
    assert gateway.client.events == ["pause", "resume"]


def test_usage_is_read_off_the_first_and_last_bytes_of_a_stream() -> None:
    gateway = Gateway()
    call = gateway.ask("claude-opus-5-5", stream=True)
    assert call is not None
    call.receiver.head(200, [], None)
    call.receiver.data(
        b'data: {"type":"message_start","message":{"usage":{"input_tokens":1234,"output_tokens":1}}}\n\n'
    )
    for _ in range(500):
        call.receiver.data(b'data: {"type":"content_block_delta","delta":{"text":"filler filler"}}\n\n')
    call.receiver.data(b'data: {"type":"message_delta","usage":{"output_tokens":')
    call.receiver.data(b"567}}\n\n")
    call.receiver.complete()
    assert (gateway.log.records[0].input_tokens, gateway.log.records[0].output_tokens) == (1234, 567)


HEADERS: list[Header] = [
    (b"request-id", b"req_1"),
    (b"X-Unknown", b"1"),
    (b"anthropic-ratelimit-unified-status", b"allowed"),
]


@pytest.mark.parametrize("coded", [False, True])
@pytest.mark.parametrize("filler", [0, 1, 2000, 4000, 5000, 200_000])
def test_an_answer_that_comes_at_once_is_what_it_is_in_parts(filler: int, *, coded: bool) -> None:
    usage = b'"usage":{"input_tokens":%d,"output_tokens":7}'
    body = b'{%b,"content":"%b",%b}' % (usage % 1, b"x" * filler, usage % 5)
    headers = [*HEADERS, (b"Content-Encoding", b"gzip")] if coded else HEADERS
    ends = []
    for whole in (True, False):
        gateway = Gateway()
        call = gateway.ask("claude-opus-5-5")
        assert call is not None
        if whole:
            call.answer_at_once(body, headers)
        else:
            call.answer(200, body, headers)
        assert not gateway.waits()
        assert gateway.services.in_flight == 0
        ends.append(gateway.end)
    assert ends[0] == ends[1]
    assert ends[0][2] == body
    assert ends[0][3][0].input_tokens == (None if coded else 5)


def test_the_last_bytes_of_a_stream_are_counted_and_end_it() -> None:
    gateway = Gateway()
    call = gateway.ask("claude-opus-5-5", stream=True)
    assert call is not None
    call.receiver.head(200, [(b"content-type", b"text/event-stream")], None)
    call.chunk(b"first")
    for _ in range(3):
        call.chunk(b"passed")
    call.receiver.rest(b'{"usage":{"output_tokens":7}}')
    assert gateway.client.body == b"firstpassedpassedpassed"
    call.receiver.complete()
    assert gateway.client.body == b'firstpassedpassedpassed{"usage":{"output_tokens":7}}'
    assert gateway.client.events == ["start", "end"]
    (record,) = gateway.log.records
    assert (record.bytes_out, record.output_tokens) == (len(gateway.client.body), 7)


@pytest.mark.parametrize("status", [204, 307, 500])
def test_what_is_not_an_answer_is_told_in_parts(status: int) -> None:
    gateway = Gateway()
    call = gateway.ask("claude-opus-5-5")
    assert call is not None
    assert not call.receiver.whole(status, [], b"")
    assert not gateway.client.events


def test_a_compressed_answer_is_relayed_unread() -> None:
    gateway = Gateway()
    call = gateway.ask("claude-opus-5-5")
    assert call is not None
    call.answer(200, b'"input_tokens":5', [(b"Content-Encoding", b"gzip")])
    assert gateway.client.headers[b"content-encoding"] == b"gzip"
    assert gateway.log.records[0].input_tokens is None
