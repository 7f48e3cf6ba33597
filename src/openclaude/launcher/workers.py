"""What the supervisor knows of its workers and of the sessions they serve."""

import json
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from openclaude.launcher.callers import Facts

Reply = Callable[[Facts], None]


class ConfigurationError(Exception):
    """The configuration cannot be used; str() says every problem."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A configuration that has been checked.

    Attributes:
        texts: text and file of the configuration (its name is empty) and of each profile.
        linger: after how many idle seconds the gateway ends; 0 for never.
    """

    texts: Mapping[str, tuple[str, str]]
    linger: float


@dataclass(frozen=True, slots=True)
class Start:
    """What a worker begins with.

    Attributes:
        settings: the configuration.
        opened: the doors that are open besides mutual TLS.
        sessions: what it has to know of each session, before it lets anybody in.
        reason: why it replaces another one, empty for the first.
        python: the interpreter to use, empty for this one.
    """

    settings: Settings
    opened: tuple[str, ...]
    sessions: tuple[Facts, ...] = field(repr=False)
    reason: str
    python: str


@dataclass(slots=True)
class Worker:
    """A process that serves requests, and what was asked of it and not answered yet."""

    pid: int
    channel: socket.socket
    started: float
    knows: tuple["Held", ...] = ()
    ready: bool = False
    buffer: bytes = b""
    failure: str = ""
    retired: bool = False
    asked: dict[int, tuple[Facts, Reply]] = field(default_factory=dict)
    number: int = 0

    def send(self, request: Facts, reply: Reply) -> None:
        """Ask it. One that has just ended says so by the end of its channel, and what it was asked is asked again."""
        self.number += 1
        self.asked[self.number] = (request, reply)
        with suppress(OSError):
            self.channel.sendall(json.dumps({"id": self.number, **request}).encode() + b"\n")


@dataclass(slots=True, eq=False)
class Held:
    """A session, and what the worker has to know of it."""

    name: str
    request: Facts = field(repr=False)
