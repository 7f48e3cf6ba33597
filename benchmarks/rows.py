"""The workloads. Sizes and pace are Claude Code's: 150 KB is a session after some turns, 10 ms a usual gap between events."""

from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks.kinds import Mode, Row

STREAMS: Final[Mapping[Mode, Sequence[int]]] = {"http": (1, 256, 1000), "tls": (), "mutual": (1, 256, 1000)}
"""How many streams are held open at once where memory is measured."""


def _json(size: str, at_once: int, mode: Mode, *, requests: int = 0, translated: bool = False) -> Row:
    return Row(f"json-{size}@{at_once}", mode, size, at_once, requests=requests, translated=translated)


def _burst(size: str, at_once: int, mode: Mode, *, translated: bool = False) -> Row:
    return Row(f"burst-{size}@{at_once}", mode, size, at_once, events=100, translated=translated)


def _paced(at_once: int, mode: Mode, *, requests: int, translated: bool = False) -> Row:
    return Row(
        f"paced-150k@{at_once}",
        mode,
        "150k",
        at_once,
        events=100,
        pace=10_000,
        requests=requests,
        translated=translated,
    )


ROWS: Final = (
    *(_json("2k", at_once, "http") for at_once in (1, 16, 64, 256)),
    *(_json("150k", at_once, "http") for at_once in (1, 16)),
    _json("1m", 1, "http"),
    _json("1m", 16, "http"),
    _json("10m", 1, "http", requests=3),
    _burst("2k", 16, "http"),
    _burst("150k", 1, "http"),
    _paced(1, "http", requests=1),
    # Its p99 of the delay has a target: most of these streams begin as in use, one by one.
    _paced(16, "http", requests=96),
    _paced(64, "http", requests=64),
    _json("2k", 16, "http", translated=True),
    _json("150k", 1, "http", translated=True),
    _json("1m", 1, "http", translated=True),
    _burst("150k", 1, "http", translated=True),
    _paced(16, "http", requests=32, translated=True),
    _json("2k", 16, "tls"),
    _json("2k", 64, "tls"),
    _json("150k", 16, "tls"),
    _burst("150k", 1, "tls"),
    _paced(16, "tls", requests=32),
    _json("2k", 16, "mutual"),
    _json("2k", 64, "mutual"),
    _json("150k", 16, "mutual"),
    _burst("150k", 1, "mutual"),
    _paced(16, "mutual", requests=32),
)
BY_KEY: Final = {row.key: row for row in ROWS}
