"""A log in memory."""

from openclaude.domain.access import AccessRecord


class FakeLog:
    def __init__(self) -> None:
        self.records: list[AccessRecord] = []
        self.events: list[tuple[str, dict[str, str]]] = []

    def event(self, name: str, **fields: str) -> None:
        self.events.append((name, fields))

    def write(self, record: AccessRecord) -> None:
        self.records.append(record)
