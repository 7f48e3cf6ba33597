"""Gateways with one mistake each, as changes to the product's source: the matrix has to turn red for every one of them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Broken:
    """One mistake: `old` stands in `file` exactly once. `cells` are those that notice, `says` is what they say of it."""

    name: str
    file: str
    old: str
    new: str
    cells: tuple[str, ...]
    says: str


BROKEN = (
    Broken(
        "takes a reset for the end of the answer",
        "edge/connection.py",
        'call.failed(self._pool.trouble("closed the connection before the answer was complete"))',
        "call.complete()",
        ("S3-26-reset-mid-answer-anthropic-stream", "S3-08-reset-before-first-byte-converse-whole"),
        "",
    ),
    Broken(
        "tries again until it works",
        "gateway/again.py",
        "        if _FAULT in self._repeated or self._sent >= MOST_SENT:\n",
        "        if self._sent >= MOST_SENT:\n",
        ("S3-20-503-converse-stream",),
        "attempts instead of 2",
    ),
    Broken(
        "sends a request that may be under way once more",
        "gateway/retries.py",
        "return Fault.TRANSIENT if error.unsent and error.status == 502 else Fault.LOST",
        "return Fault.TRANSIENT",
        ("S3-08-reset-before-first-byte-invoke-stream",),
        "2 attempts instead of 1",
    ),
    Broken(
        "leaves the provider's connection open when a client of Bedrock leaves",
        "gateway/translated.py",
        "    def client_left(self) -> None:\n        self._drop_upstream()\n",
        "    def client_left(self) -> None:\n",
        ("S4-04-leaves-before-first-byte-converse-stream",),
        "HUNG: the provider is left",
    ),
    Broken(
        "leaves Anthropic's connection open when a client leaves",
        "gateway/passthrough.py",
        "    def client_left(self) -> None:\n        self._drop_upstream()\n",
        "    def client_left(self) -> None:\n",
        ("S4-05-leaves-mid-answer-anthropic-stream",),
        "HUNG: the provider is left",
    ),
    Broken(
        "goes on dialling for nobody",
        "edge/call.py",
        "            self._dialling.cancel()\n",
        "            pass\n",
        ("S4-03-leaves-while-dialling-converse-whole",),
        "tasks",
    ),
    Broken(
        "logs no request whose client has left",
        "gateway/exchange.py",
        "        services.log.write(self.record)\n",
        '        if outcome != "client_left":\n            services.log.write(self.record)\n',
        ("S4-06-half-closes-count",),
        "lines in the log",
    ),
    Broken(
        "logs each request twice",
        "gateway/exchange.py",
        "        services.log.write(self.record)\n",
        "        services.log.write(self.record)\n        services.log.write(self.record)\n",
        ("S3-14-400-anthropic-whole",),
        "lines in the log",
    ),
    Broken(
        "waits for ever for an answer that has begun",
        "gateway/passthrough.py",
        "if quiet >= IDLE else None",
        "if quiet >= 1e9 else None",
        ("S3-28-stall-mid-answer-anthropic-stream",),
        "HUNG",
    ),
    Broken(
        "cuts a broken stream of Bedrock's instead of ending it",
        "gateway/translated.py",
        "            self._answer.write(decoder.fail(error))\n            self._note_usage()\n",
        "            self._answer.abort()\n            return\n            decoder.fail(error)\n",
        ("S3-25-bad-chunk-size-converse-stream",),
        "the stream was cut instead of ended",
    ),
    Broken(
        "relays redirects",
        "gateway/passthrough.py",
        "        if 300 <= status < 400:\n",
        "        if 300 <= status < 300:\n",
        ("S3-12-redirect-anthropic-stream",),
        "instead of 502",
    ),
    Broken(
        "believes every certificate",
        "edge/tls.py",
        "    context.load_verify_locations(cafile=str(ca_file or trust_file()))\n",
        "    context.check_hostname = False\n    context.verify_mode = ssl.CERT_NONE\n",
        ("S3-04-tls-stranger-anthropic-whole", "S3-05-tls-expired-converse-stream"),
        "status 200 instead of 502",
    ),
    Broken(
        "polls while it waits",
        "gateway/translated.py",
        "            self._shown_at = now  # there is nothing to show before the whole answer\n",
        "            pass\n",
        ("S3-09-silence-converse-whole",),
        "timers ran",
    ),
    Broken(
        "forgets that a request is over",
        "gateway/exchange.py",
        "        services.in_flight -= 1\n",
        '        services.in_flight -= outcome == "complete"\n',
        ("S3-26-reset-mid-answer-anthropic-whole",),
        "requests are said to be under way",
    ),
    Broken(
        "writes the login into the log",
        "gateway/passthrough.py",
        "answer.record.credential = credential.named",
        'answer.record.credential = __import__("openclaude.credentials._vault", fromlist=["x"]).get('
        "credential, bytes).decode()",
        ("S3-13-204-anthropic-stream",),
        "LEAK: login at log",
    ),
)
