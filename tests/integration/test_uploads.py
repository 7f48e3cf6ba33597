"""What an upload leaves in the gateway's memory while its answer streams, with real TLS on both sides."""

import threading
from contextlib import ExitStack
from pathlib import Path

from support.house import resident
from support.patience import DEADLINE
from support.product import make_home
from support.rawhttp import Client
from support.rawupstream import Peer, RawUpstream
from support.staging import OPUS, client_headers, message_body, serving

KILOBYTE = 1024
STREAMS = 48
BEGUN = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 100\r\n\r\nevent: ping\n\n"


def test_an_open_answer_does_not_keep_the_size_of_its_upload(tmp_path: Path) -> None:
    go_on = threading.Event()

    def behave(peer: Peer) -> None:
        peer.read_request()
        peer.send(BEGUN)
        go_on.wait(DEADLINE)

    home = make_home(tmp_path / "home", "sk-ant-" + "oat01-" + "x" * 32)
    body = message_body(OPUS, "u" * 1024 * KILOBYTE, stream=True)
    with (
        RawUpstream(tmp_path) as upstream,
        serving(home, upstream.connect_to, upstream.ca_file, env={}) as gateway,
        ExitStack() as clients,
    ):
        upstream.behaviour = behave

        def stream() -> None:
            client = clients.enter_context(Client(gateway))
            client.post("/v1/messages", client_headers(home.login), body)
            assert client.read_head().status == 200

        for _ in range(STREAMS // 4):  # what the first ones need once, and what they leave for the next
            stream()
        before = resident(gateway.running.worker)
        for _ in range(STREAMS):
            stream()
        each = (resident(gateway.running.worker) - before) // STREAMS
        go_on.set()
    assert each < 300 * KILOBYTE
