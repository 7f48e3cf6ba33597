"""What was decided for a head that a client repeats, and what has to be as it was for that to be used again.

A shortcut decides nothing: the head was let in (edge/admission), its request was routed (gateway/ways), its login was authorised
for its origin and the wall has looked at what left (edge/egress). The shortcut keeps what came of that, and what of each of them
would tell that it might come out otherwise now.
"""

from collections.abc import Callable
from typing import Final, Protocol

from openclaude.credentials.fingerprints import KNOWN
from openclaude.credentials.policies import Passthrough
from openclaude.credentials.sealed import ClientCredential
from openclaude.domain.http import Endpoint
from openclaude.edge.accesslog import TIME_FORM, UNTOLD, line_form, named_upstream
from openclaude.edge.egress import EgressWall
from openclaude.edge.known import KnownHead
from openclaude.edge.names import request_id
from openclaude.edge.upstream import Pool, UpstreamTransport
from openclaude.gateway.exchange import Services
from openclaude.gateway.observers import Counts, usage_of
from openclaude.gateway.ways import Relay, Routing, Way
from openclaude.ports import Handler

_MOST: Final = 256
"""Names of models that one shortcut remembers."""
_LONGEST: Final = 200


class Repeated(Protocol):
    """What `edge.egress.EgressWall.repeated` gives."""

    def leaving(self, data: bytes) -> tuple[tuple[bytes, bytes, bytes], int, int] | None:
        """As `credentials.outbound.RepeatedHead.leaving`."""


class Course:
    """What a model decides.

    Attributes:
        way, relay: as `gateway.ways` has them.
        breakers: those of the origin that are open.
        name: what the model is called at the provider.
        marks: the lines that every answer gets, the name of its length's header at the end.
    """

    __slots__ = ("_form", "breakers", "marks", "name", "relay", "way")

    def __init__(self, way: Way, relay: Relay, credential: str) -> None:
        self.way = way
        self.relay = relay
        self.breakers = relay.health.breakers
        self.name = way.name
        self._form = line_form(
            (
                Endpoint.MESSAGES.label,
                way.slot,
                way.shown,
                relay.route.name,
                200,
                "complete",
                way.name,
                relay.reason,
                credential,
            )
        )
        self.marks = b"".join([b"%b: %b\r\n" % pair for pair in relay.marks]) + b"content-length: "

    def line(self, took: float, sent: int, size: int, said: bytes | Counts | None, named: bytes) -> str:
        """The line in the log of an answer that came whole.

        Args:
            took: seconds to the answer, whose beginning and end came together.
            sent: bytes of the request's body.
            size: bytes of the answer's.
            said: the answer's body, or what it says of its usage; None where it cannot be read.
            named: what the provider calls the request.
        """
        time = TIME_FORM % took
        asked, told = (None, None) if said is None else usage_of(said) if isinstance(said, bytes) else said
        return self._form % (
            request_id(),
            time,
            time,
            sent,
            size,
            UNTOLD if asked is None else asked,
            UNTOLD if told is None else told,
            named_upstream(named.decode("latin-1")[:80]) if named else "",
        )


class Courses(dict[bytes, "Course | None"]):
    """The courses of one routing, by the model's name as it stands in the body; None for what goes another way.

    A name is remembered that is no longer than any model's.

    Args:
        credential: what the log calls the login.
    """

    def __init__(self, routing: Routing, credential: str) -> None:
        self._routing = routing
        self._credential = credential

    def __missing__(self, name: bytes) -> Course | None:
        way = self._routing.ways[name.decode("ascii")]
        relay = way.relay
        course = (
            Course(way, relay, self._credential)
            if relay is not None and relay.route.origin == Passthrough.ORIGIN
            else None
        )
        if len(name) <= _LONGEST and len(self) < _MOST:
            self[name] = course
        return course


class Shortcut:
    """What a repeated head gets.

    Attributes:
        known: the head as its connection knows it. While it does, the head is let in.
        head: what leaves for it.
        credential: the login it brings.
        courses: what its models decide.
        routing: what decides, and `handler` who has it. A new configuration comes with another handler.
        pool: the connections to the login's origin.
        table: what the wall allows, see `edge.egress.EgressWall.table`.
        met: how many secrets this process had met, see `credentials.fingerprints`.
        token, tokens: as the known head has them.
    """

    __slots__ = (
        "courses",
        "credential",
        "handler",
        "head",
        "known",
        "met",
        "pool",
        "routing",
        "table",
        "token",
        "tokens",
    )

    def __init__(
        self,
        known: KnownHead,
        head: Repeated,
        credential: ClientCredential,
        handler: Handler,
        routing: Routing,
        pool: Pool,
        table: object,
    ) -> None:
        self.known = known
        self.head = head
        self.credential = credential
        self.handler = handler
        self.routing = routing
        self.courses = Courses(routing, credential.named)
        self.pool = pool
        self.table = table
        self.met = known.met
        self.token, self.tokens = known.token, known.tokens


class Express:
    """Makes shortcuts, of a gateway's parts."""

    def __init__(self, services: Services, transport: UpstreamTransport, wall: EgressWall) -> None:
        self.services = services
        self.wall = wall
        self._transport = transport

    def holds(self, shortcut: Shortcut, handler: Handler) -> bool:
        """Whether nothing has changed since a shortcut was made."""
        return shortcut.handler is handler and shortcut.met == KNOWN.met and shortcut.table is self.wall.table

    def shortcut(self, known: KnownHead, handler: Handler) -> Shortcut | None:
        """The shortcut for a head of which a request has gone the whole way; None where none can be made.

        A handler can say where its requests go: by `routing_of`, as `gateway.pipeline.Pipeline` has it.
        """
        admitted, credential = known.admitted, known.credential
        find: Callable[[str], Routing | None] | None = getattr(handler, "routing_of", None)
        if (
            credential is None
            or credential.passed is None
            or admitted.endpoint is not Endpoint.MESSAGES
            or find is None
        ):
            return None
        routing, pool = find(admitted.profile), self._transport.pool_of(Passthrough.ORIGIN)
        if routing is None or routing.conditional or pool is None or known.met != KNOWN.met:
            return None
        head = self.wall.repeated(known.head, credential)
        if head is None:
            return None
        return Shortcut(known, head, credential, handler, routing, pool, self.wall.table)
