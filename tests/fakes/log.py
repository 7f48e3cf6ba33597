"""A log in memory."""

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
        self.line(request_line(record))

    def line(self, text: str) -> None:
        self.lines.append(text)
