"""Where an origin is dialled. Only explicit flags of `openclaude serve` fill this map; TLS still verifies the origin."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from openclaude.domain.http import Origin

_FORM = re.compile(
    r"(?P<host>[A-Za-z0-9.-]+):(?P<port>\d{1,5})=(?P<address>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):(?P<to>\d{1,5})"
)


class DialError(ValueError):
    """A --connect-to value that cannot be read; the message shows the form, and an example as a hint."""


@dataclass(frozen=True, slots=True)
class DialMap:
    """Origin (host, port) → address to dial. An origin that is not listed is dialled at its own name."""

    entries: Mapping[tuple[str, int], tuple[str, int]] = field(default_factory=dict)

    def address(self, origin: Origin) -> tuple[str, int]:
        return self.entries.get((origin.host, origin.port), (origin.host, origin.port))


def parse(values: Sequence[str]) -> DialMap:
    """Read `HOST:PORT=ADDR:PORT` values, in curl's sense of --connect-to. Raises `DialError`."""
    entries: dict[tuple[str, int], tuple[str, int]] = {}
    for value in values:
        found = _FORM.fullmatch(value)
        if found is None or not all(0 < int(found[name]) < 65536 for name in ("port", "to")):
            raise DialError(
                f"--connect-to {value!r}: the form is HOST:PORT=ADDR:PORT\n"
                "hint: for example --connect-to api.anthropic.com:443=127.0.0.1:8443"
            )
        entries[found["host"].lower(), int(found["port"])] = (found["address"].strip("[]"), int(found["to"]))
    return DialMap(entries)
