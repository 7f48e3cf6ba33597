"""The upstream in C speaks Bedrock's framing as botocore reads it, and what it says it received is right."""

import http.client
import json
import os
import re
import signal
import socket
import ssl
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import pytest
from botocore.eventstream import EventStreamBuffer

from benchmarks.programs import Upstream
from support.patience import DEADLINE


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


def post(upstream: Upstream, target: str, body: bytes) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", upstream.plain, timeout=DEADLINE)
    try:
        connection.request("POST", target, body)
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read()
    finally:
        connection.close()


def test_a_bedrock_stream_is_what_botocore_reads(upstream: Upstream) -> None:
    upstream.control(events=3, pace=100)
    buffer = EventStreamBuffer()
    buffer.add_data(post(upstream, "/model/m/converse-stream", b"{}"))
    events = [(event.headers[":event-type"], json.loads(event.payload)) for event in buffer]
    kinds = [kind for kind, _ in events]
    assert kinds == [
        "messageStart",
        *["contentBlockDelta"] * 3,
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]
    assert events[1][1]["delta"]["text"][0] == "T"


def test_a_stream_of_messages_has_the_events_asked_for(upstream: Upstream) -> None:
    upstream.control(events=7, pace=0)
    said = post(upstream, "/v1/messages", b'{"stream":true}').decode()
    kinds = [json.loads(line[6:])["type"] for line in said.splitlines() if line.startswith("data: ")]
    assert kinds.count("content_block_delta") == 7
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")


def test_streams_that_begin_together_are_not_in_step(upstream: Upstream) -> None:
    pace = 50_000
    upstream.control(events=9, pace=pace)
    with ThreadPoolExecutor(2) as both:
        said = list(both.map(lambda body: post(upstream, "/v1/messages", body), [b'{"stream":true}'] * 2))
    upstream.control(pace=0)
    times = [[int(time) // 1000 for time in re.findall(rb"T(\d{18})", each)] for each in said]
    assert [len(each) for each in times] == [9, 9]
    apart = [(first - second) % pace for first, second in zip(*times, strict=True)]
    assert median(min(each, pace - each) for each in apart) > pace / 8  # 0.38 of it, if nothing is late


def test_it_sums_every_body_and_finds_a_word_wherever_it_is_cut(upstream: Upstream) -> None:
    body = b"x" * 65_530 + b"the-last-word" + b"y" * 300_000
    upstream.control(mark="the-last-word", crc=f"{zlib.crc32(body):08x}")
    before = upstream.stats()
    post(upstream, "/v1/messages", body)
    post(upstream, "/v1/messages", body[:-1])
    post(upstream, "/v1/messages", b"nothing of it")
    after = upstream.stats()
    assert [after[name] - before[name] for name in ("requests", "marked", "same")] == [3, 2, 1]
    assert after["last_crc"] == f"{zlib.crc32(b'nothing of it'):08x}"


def test_it_survives_a_client_that_has_gone_when_its_stream_goes_on(upstream: Upstream) -> None:
    upstream.control(events=50, pace=0, hold=1)
    teller = http.client.HTTPConnection("127.0.0.1", upstream.plain, timeout=DEADLINE)
    teller.request("GET", "/stats")
    teller.getresponse().read()  # from here on its connection is an old one, and is served in the order of what arrives
    context = ssl.create_default_context(cafile=upstream.certificates.authority)
    with context.wrap_socket(
        socket.create_connection(("127.0.0.1", upstream.tls), timeout=DEADLINE), server_hostname="localhost"
    ) as client:
        body = b'{"stream":true}'
        client.sendall(b"POST /v1/messages HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        said = b""
        while b"text_delta" not in said:
            said += client.recv(65_536)
        os.kill(upstream.pid, signal.SIGSTOP)
        teller.request("GET", "/release")
    os.kill(upstream.pid, signal.SIGCONT)
    try:
        assert teller.getresponse().status == 200
    finally:
        teller.close()
    assert post(upstream, "/v1/messages", body)
