"""Where the benchmark keeps what it makes: everything is under `.cache/bench` and can be thrown away."""

from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent
CACHE: Final = ROOT / ".cache" / "bench"
BODIES: Final = CACHE / "bodies"
PEERS: Final = CACHE / "peers"
PROGRAMS: Final = CACHE / "programs"
RESULTS: Final = HERE / "results.json"
REPORT: Final = HERE / "RESULTS.md"
PLOT: Final = HERE / "results.svg"
RECORDED: Final = HERE / "recorded.json"


class BenchError(RuntimeError):
    """The benchmark cannot go on; the text says what to do."""
