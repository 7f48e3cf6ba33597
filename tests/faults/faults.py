"""The 32 faults of a provider: what it does, and the rule for what the client gets.

A fault has one variant or several; a cell of the matrix is a fault in one mode, with all its variants.
"""

import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from time import time
from typing import Literal

from faults import rules
from faults.modes import Mode
from faults.provider import Header, Peer, Provider, chunk, good_bye, head
from faults.rules import COMPLETE, Expect, Rule, error, relayed, rule, sse_error
from openclaude.simulator import eventstream
from openclaude.simulator.certs import Flaw

JSON = "application/json"
Then = Literal["keep", "close", "reset", "hold"]
"""What happens after the last byte: nothing, an orderly end, a RST, or silence."""


@dataclass(frozen=True)
class Says:
    """One answer. `pieces` are its body, `raw` are bytes outside of the framing, `interim` heads before its own.

    `at` is the time of its date header, if not now.
    """

    pieces: Sequence[bytes] = ()
    status: int = 200
    headers: tuple[Header, ...] = ()
    kind: str = JSON
    framing: Literal["chunked", "length", "close", "none"] = "chunked"
    declared: int | None = None
    ended: bool = True
    raw: bytes = b""
    interim: bytes = b""
    then: Then = "keep"
    bytewise: bool = False
    at: float | None = None

    @property
    def sent(self) -> bytes:
        """The body that arrived at the gateway."""
        body = b"".join(self.pieces)
        return body if self.declared is None else body[: self.declared]

    def wire(self) -> bytes:
        body = b"".join(self.pieces)
        length = len(body) if self.declared is None else self.declared
        start = self.interim + head(
            self.status,
            [("content-type", self.kind), *self.headers],
            length=length if self.framing == "length" else None,
            chunked=self.framing == "chunked",
            at=self.at,
        )
        if self.framing == "chunked":
            body = b"".join(map(chunk, self.pieces)) + (b"0\r\n\r\n" if self.ended else b"")
        return start + (b"" if self.framing == "none" else body) + self.raw


Does = Callable[[Peer], Awaitable[None]]


@dataclass(frozen=True)
class Variant:
    """One way in which a fault shows itself.

    Attributes:
        says: the answer, where the fault is in one.
        does: what the provider does instead with each connection.
        stage: what is done to the providers before the request.
        rotating: whether a look-up finds other AWS keys each time.
        good_after: the answer after which the provider is well again.
        translated: whether it makes no sense on the pass-through route.
    """

    id: str
    rule: Rule
    says: Callable[[Mode], Says] | None = None
    does: Does | None = None
    stage: Callable[[Provider], Awaitable[None]] | None = None
    rotating: bool = False
    good_after: int | None = None
    translated: bool = False

    def expect(self, mode: Mode) -> Expect:
        return self.rule[mode.family]


@dataclass(frozen=True)
class Fault:
    """A row of the matrix."""

    id: str
    variants: tuple[Variant, ...] = field(repr=False)

    def of(self, mode: Mode) -> tuple[Variant, ...]:
        """The variants that make sense in a mode."""
        return tuple(each for each in self.variants if not (each.translated and mode.passes))


# connections -------------------------------------------------------------------------------------------------------


async def _refuse(provider: Provider) -> None:
    provider.refuse()


async def _swallow(provider: Provider) -> None:
    provider.swallow()


async def _unknown(provider: Provider) -> None:
    provider.name("unknown")


async def _unanswered(provider: Provider) -> None:
    provider.name("silent")


async def _bare(provider: Provider) -> None:
    await provider.serve(tls=False)


def _flawed(flaw: Flaw) -> Callable[[Provider], Awaitable[None]]:
    async def stage(provider: Provider) -> None:
        await provider.serve(provider.certificates.flawed[flaw])

    return stage


async def _reset_hello(peer: Peer) -> None:
    await peer.anything()
    peer.reset()


async def _reset_request(peer: Peer) -> None:
    await peer.request()
    peer.reset()


async def _ignore(peer: Peer) -> None:
    await peer.request()
    await peer.hold()


async def _only_continue(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    await peer.hold()


# answers -----------------------------------------------------------------------------------------------------------


def _good(mode: Mode, **more: object) -> Says:
    return Says(mode.pieces(), kind=mode.content_type, **more)  # type: ignore[arg-type]


def _part(mode: Mode, **more: object) -> Says:
    """The first half of a good answer, and then something else."""
    pieces = mode.pieces()
    return Says(pieces[: len(pieces) // 2], kind=mode.content_type, **more)  # type: ignore[arg-type]


def _says_no(
    status: int, anthropic: str, aws: str, headers: tuple[Header, ...] = (), aws_status: int = 0
) -> Callable[[Mode], Says]:
    """A refusal in the words of either provider."""

    def says(mode: Mode) -> Says:
        if mode.passes:
            body = b'{"type":"error","error":{"type":"%b","message":"simulated"},"request_id":"req_1"}'
            return Says([body % anthropic.encode()], status, headers, framing="length")
        named = ("x-amzn-errortype", aws)
        body = b'{"message":"simulated"}'
        return Says([body], aws_status or status, (named, *headers), framing="length")

    return says


def _redirect(status: int) -> Variant:
    def says(_: Mode) -> Says:
        return Says((), status, (("location", "https://elsewhere.invalid/v1/messages"),), framing="length")

    return Variant(
        str(status), rule(error(502, "api_error", retry=False), error(502, "api_error", retry=False)), says
    )


def _empty(_: Mode) -> Says:
    return Says((), 204, framing="none")


def _page(_: Mode) -> Says:
    return Says([b"<html><title>500</title>broken</html>"], 500, kind="text/html", framing="length")


def _huge_head(mode: Mode) -> Says:
    return _good(mode, headers=(("x-filler", "f" * 70_000),))


def _too_short(mode: Mode) -> Says:
    body = b"".join(mode.pieces())
    return _good(mode, framing="length", declared=len(body) // 2, then="close")


def _drip(mode: Mode) -> Says:
    return _good(mode, bytewise=True)


_NO_JSON = b"event: content_block_delta\ndata: {not json\n\n"


def _malformed(mode: Mode) -> Says:
    """A frame whose checksum is wrong, or JSON and events that are none."""
    pieces = mode.pieces()
    if mode.framed:
        damaged = pieces[2][:-1] + bytes([pieces[2][-1] ^ 0x41])
        return Says([*pieces[:2], damaged, *pieces[3:]], kind=mode.content_type)
    return Says([*pieces[:2], _NO_JSON, *pieces[3:]], kind=mode.content_type)


def _other_bytes(mode: Mode) -> Says:
    """A frame with right checksums whose payload is no JSON."""
    pieces = mode.pieces()
    if not mode.framed:
        return Says([*pieces[:2], _NO_JSON, *pieces[3:]], kind=mode.content_type)
    event = "chunk" if mode.id == "invoke-stream" else "contentBlockDelta"
    odd = eventstream.frame({":event-type": event, ":message-type": "event"}, b"{not json")
    return Says([*pieces[:2], odd, *pieces[3:]], kind=mode.content_type)


def _fails_inside(mode: Mode) -> Says:
    if mode.streams:
        return Says(mode.failing(), kind=mode.content_type)
    return _says_no(529, "overloaded_error", "ServiceUnavailableException", aws_status=503)(mode)


def _bomb(mode: Mode) -> Says:
    """16 MiB of zeroes in 16 KiB."""
    packer = zlib.compressobj(9, wbits=31)
    data = packer.compress(bytes(16 * 1024 * 1024)) + packer.flush()
    pieces = [data[at : at + 2048] for at in range(0, len(data), 2048)]
    return Says(pieces, headers=(("content-encoding", "gzip"),), kind=mode.content_type)


def _in_20_seconds(mode: Mode) -> Says:
    """A `retry-after` that is a date, which has to be made when the answer is."""
    now = time()
    until = (("retry-after", formatdate(now + 20, usegmt=True)),)
    says = _says_no(429, "rate_limit_error", "ThrottlingException", until)(mode)
    return replace(says, at=now)


_INSIDE: Rule = {
    **rule(relayed(200), sse_error("overloaded_error")),
    "pass-whole": relayed(529),
    "whole": error(529, "overloaded_error", after="5", attempts=2),
}
"""An error event of Anthropic's own is relayed; an exception frame is mapped (§2); whole answers say it by status."""
_STALL: Rule = {
    **rule(Expect("cut", limit=rules.IDLE), sse_error("timeout_error", limit=rules.FRAME)),
    "whole": error(504, "timeout_error", limit=rules.PATIENCE),
    "count": Expect("estimate", limit=rules.COUNT),
}
_RENEWED = rule(relayed(403), Expect("complete", attempts=2), count=rules.ESTIMATE)
_THROTTLED = _says_no(429, "rate_limit_error", "ThrottlingException", (("retry-after", "7"),))
_AT_ONCE = _says_no(429, "rate_limit_error", "ThrottlingException", (("retry-after", "1"),))


def _one(name: str, rule: Rule, **more: object) -> Fault:
    return Fault(name, (Variant("", rule, **more),))  # type: ignore[arg-type]


FAULTS: tuple[Fault, ...] = (
    _one("refused", rules.unreached(), stage=_refuse),
    _one(
        "connect-timeout",
        rules.unreached(504, "timeout_error", again=False, limit=rules.DIAL),
        stage=_swallow,
    ),
    Fault(
        "dns",
        (
            Variant("unknown", rules.unreached(), stage=_unknown),
            Variant(
                "silent",
                rules.unreached(504, "timeout_error", again=False, limit=rules.DIAL),
                stage=_unanswered,
            ),
        ),
    ),
    Fault(
        "tls-stranger",
        (
            Variant("authority", rules.unreached(), stage=_flawed(Flaw.OTHER_AUTHORITY)),
            Variant("name", rules.unreached(), stage=_flawed(Flaw.WRONG_NAME)),
        ),
    ),
    _one("tls-expired", rules.unreached(), stage=_flawed(Flaw.EXPIRED)),
    _one("tls-reset", rules.unreached(), stage=_bare, does=_reset_hello),
    _one("accept-then-close", rules.unreached(), stage=_bare, does=good_bye),
    _one("reset-before-first-byte", rules.lost(), does=_reset_request),
    _one("silence", rules.silent(), does=_ignore),
    _one("only-100-continue", rules.silent(), does=_only_continue),
    _one(
        "103-then-200",
        rule(COMPLETE, COMPLETE, COMPLETE, COMPLETE),
        says=lambda mode: _good(mode, interim=head(103, [("link", "</style.css>")])),
    ),
    Fault("redirect", tuple(map(_redirect, (301, 302, 307, 308)))),
    _one("204", rule(error(502, "api_error"), error(502, "api_error")), says=_empty),
    _one(
        "400",
        rules.refused(400, 400, "invalid_request_error", retry=False),
        says=_says_no(400, "invalid_request_error", "ValidationException"),
    ),
    _one(
        "401",
        rules.refused(401, 401, "authentication_error", retry=False),
        says=_says_no(401, "authentication_error", "UnrecognizedClientException", aws_status=403),
    ),
    Fault(
        "403-expired",
        (
            Variant(
                "for-good",
                rules.refused(403, 401, "authentication_error", retry=False, attempts=2),
                says=_says_no(403, "permission_error", "ExpiredTokenException"),
                rotating=True,
            ),
            Variant(
                "renewed",
                _RENEWED,
                says=_says_no(403, "permission_error", "ExpiredTokenException"),
                rotating=True,
                good_after=1,
                translated=True,
            ),
        ),
    ),
    Fault(
        "429-seconds",
        (
            Variant("7", rules.refused(429, 429, "rate_limit_error", retry=True, after="7"), says=_THROTTLED),
            Variant(
                "1",
                rules.refused(429, 429, "rate_limit_error", retry=True, after="1", attempts=2),
                says=_AT_ONCE,
            ),
        ),
    ),
    _one(
        "429-date",
        rules.refused(429, 429, "rate_limit_error", retry=True, after="20"),
        says=_in_20_seconds,
    ),
    _one("500-page", rules.refused(500, 502, "api_error", retry=True, attempts=2), says=_page),
    _one(
        "503",
        rules.refused(503, 529, "overloaded_error", retry=True, attempts=2, after="5"),
        says=_says_no(503, "api_error", "ServiceUnavailableException"),
    ),
    _one(
        "529",
        rules.refused(529, 529, "overloaded_error", retry=True, attempts=2, after="10"),
        says=_says_no(529, "overloaded_error", "ModelNotReadyException", aws_status=429),
    ),
    _one("huge-head", rules.lost(), says=_huge_head),
    _one("length-too-short", rules.garbled(), says=_too_short),
    _one(
        "length-too-long",
        rules.broken_off(),
        says=lambda mode: _part(mode, framing="length", declared=100_000, then="close"),
    ),
    _one(
        "bad-chunk-size",
        rules.broken_off(),
        says=lambda mode: _part(mode, ended=False, raw=b"zz\r\nrubbish\r\n"),
    ),
    _one("reset-mid-answer", rules.broken_off(), says=lambda mode: _part(mode, ended=False, then="reset")),
    _one("end-without-stop", rules.garbled(), says=_part),
    _one("stall-mid-answer", _STALL, says=lambda mode: _part(mode, ended=False, then="hold")),
    _one("drip", rule(COMPLETE, COMPLETE, COMPLETE, COMPLETE), says=_drip),
    Fault(
        "malformed",
        (
            Variant("damaged", rules.garbled(), says=_malformed),
            Variant("no-json", rules.garbled(), says=_other_bytes, translated=True),
        ),
    ),
    _one("error-inside", _INSIDE, says=_fails_inside),
    _one("gzip-bomb", rule(relayed(200), error(502, "api_error")), says=_bomb),
)
