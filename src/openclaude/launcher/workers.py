"""What the supervisor knows of its workers and of the sessions they serve."""

import json
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from openclaude.launcher.callers import Facts

Reply = Callable[[Facts], None]


def nothing(answer: Facts) -> None:
    """The reply where nobody waits for the answer."""


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
    """A process that serves requests, and what was asked of it and not answered yet.

    `knows` and `opened` are what it was started with, or has learned before it was asked; `retired` says that it was told to let nobody in any more.
    """

    pid: int
    channel: socket.socket
    started: float
    knows: tuple["Held", ...] = ()
    opened: tuple[str, ...] = ()
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

    def learn(self, sessions: tuple["Held", ...], opened: tuple[str, ...]) -> None:
        """Tell it of sessions and doors that came or went since it was started, or learned of them last."""
        for held in self.knows:
            if held not in sessions:
                self.send(held.ended, nothing)
        for held in sessions:
            if held not in self.knows:
                self.send(held.request, nothing)
        for door in opened:
            if door not in self.opened:
                self.send({"op": "open", "door": door}, nothing)
        self.knows, self.opened = sessions, opened

    def answered(self, number: int, answer: Facts) -> None:
        """Pass an answer on, unless it is no longer waited for."""
        _, reply = self.asked.pop(number, (None, nothing))
        reply(answer)

    def unanswered(self) -> list[tuple[Facts, Reply]]:
        """What somebody still waits for and another worker can answer as well. What this one says to it counts no more."""
        asked, self.asked = self.asked, {}
        return [each for each in asked.values() if each[1] is not nothing and each[0]["op"] != "drain"]


@dataclass(slots=True, eq=False)
class Held:
    """A session, and what the worker has to know of it."""

    name: str
    request: Facts = field(repr=False)

    @property
    def ended(self) -> Facts:
        """What the worker is told when it is over."""
        return {**self.request, "op": "session-end", "name": self.name}
