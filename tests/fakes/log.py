"""A log in memory."""

from collections.abc import Callable

from openclaude.domain.access import AccessRecord
from openclaude.edge.accesslog import request_line


class FakeLog:
    """Keeps the records of requests, and the lines of all of them."""

    def __init__(self) -> None:
        self.records: list[AccessRecord] = []
        self.lines: list[str] = []
        self.events: list[tuple[str, dict[str, str]]] = []

    def event(self, name: str, **fields: str) -> None:
        self.events.append((name, fields))

    def write(self, record: AccessRecord) -> None:
        self.records.append(record)
        self.lines.append(request_line(record))

    def line_of(self, make: Callable[..., str], values: tuple[object, ...]) -> None:
        self.lines.append(make(*values))
