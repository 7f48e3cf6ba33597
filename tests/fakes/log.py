"""A log in memory."""

from openclaude.domain.access import AccessRecord


class FakeLog:
    def __init__(self) -> None:
        self.records: list[AccessRecord] = []

    def write(self, record: AccessRecord) -> None:
        self.records.append(record)
