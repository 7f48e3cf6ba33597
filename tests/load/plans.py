"""What one stream of a load is to be, written into its prompt, so that client and provider do the same."""

import random
import re
from dataclasses import dataclass

PROVIDER_FAULTS = ("overloaded", "failing", "closed-early", "reset", "cut", "rubbish")
CLIENT_FAULTS = ("leaves", "leaves-early")
STALLED_AFTER, READ_ON = 5, 300
"""Events that a stalled reader reads before it stops for the first time, and before it stops again: more than all buffers hold."""
STALLED_FOR = 200.0
"""Seconds for which it stops each time: one that stops for 300 is given up by the gateway."""

_FORM = re.compile(rb"plan seconds=([\d.]+) gap=([\d.]+) size=(\d+) fault=([a-z-]*);")


@dataclass(frozen=True)
class Plan:
    """One stream: how long it lasts, the seconds between its events, the bytes of each, and what goes wrong.

    A gap of zero is a provider that sends as fast as it can: the client of such a stream stops reading.
    """

    seconds: float
    gap: float = 1.5
    size: int = 60
    fault: str = ""

    @property
    def stalls(self) -> bool:
        return self.gap == 0

    def text(self) -> str:
        return f"plan seconds={self.seconds:.1f} gap={self.gap:.2f} size={self.size} fault={self.fault};"


def found(body: bytes) -> Plan:
    """The plan in a request to a provider."""
    match = _FORM.search(body)
    assert match is not None, body[:200]
    return Plan(float(match[1]), float(match[2]), int(match[3]), match[4].decode())


def drawn(chance: random.Random, lifetime: tuple[float, float], faults: float, *, stalls: bool) -> Plan:
    """A stream's plan; `faults` is the share of streams in which something goes wrong."""
    fault = ""
    if chance.random() < faults:
        fault = chance.choice(PROVIDER_FAULTS + CLIENT_FAULTS)
    seconds = chance.uniform(*lifetime)
    return (
        Plan(seconds, 0.0, 16_000, fault) if stalls else Plan(seconds, chance.uniform(1.0, 2.0), fault=fault)
    )
