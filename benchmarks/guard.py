"""`make bench-guard`: has openClaude become slower against nginx than it was? Fails when a ratio is a quarter worse.

Ratios and not times, because the machine may be another or a busier one. `make bench-guard RECORD=1` records new ratios.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.gateways import GATEWAYS
from benchmarks.paths import RECORDED, BenchError
from benchmarks.programs import Upstream
from benchmarks.results import LIMIT, OURS, Results
from benchmarks.rows import BY_KEY
from benchmarks.run import Bench, say, whole_run

WORSE: Final = 1.25
ROWS: Final = (
    "http:json-2k@16",
    "http:json-150k@16",
    "http:json-1m@1",
    "http:paced-150k@16",
    "tls:json-2k@16",
    "tls:paced-150k@16",
    "mutual:json-2k@16",
    "mutual:json-150k@16",
    "mutual:paced-150k@16",
)
REPETITIONS: Final = 7
SECONDS: Final = 0.8


def measured(
    rows: Sequence[str] = ROWS, *, repetitions: int = REPETITIONS, seconds: float = SECONDS
) -> Results:
    """Run the rows with nginx and openClaude only. Raises `BenchError`."""
    with Upstream() as upstream:
        bench = Bench(upstream, repetitions=repetitions, seconds=seconds)
        able = bench.introduce([GATEWAYS[LIMIT], GATEWAYS[OURS]])
        if len(able) < 2:
            raise BenchError(str(bench.results.gateways[LIMIT]["missing"]))
        whole_run(bench, able, [BY_KEY[name] for name in rows], extras=False)
    return bench.results


def verdicts(results: Results, recorded: Mapping[str, float]) -> list[str]:
    """What is wrong, one line each; nothing when all is well. A row that was not delivered is wrong as well."""
    found = []
    for row, before in recorded.items():
        ratio = results.ratio(row, LIMIT)
        if ratio is None:
            reason = results.failures.get(row, {}).get(OURS, "not measured")
            found.append(f"{row}: no ratio ({reason})")
        elif ratio.median > WORSE * before:
            found.append(
                f"{row}: {ratio.text()} times nginx, recorded is {before:.2f}: {ratio.median / before - 1:.0%} worse"
            )
    return found


def ratios(results: Results) -> dict[str, float]:
    """The median ratio of each row, in the order of `ROWS`, whatever the order they were measured in."""
    found = {row: results.ratio(row, LIMIT) for row in ROWS}
    return {row: round(ratio.median, 2) for row, ratio in found.items() if ratio}


def main(argv: Sequence[str] | None = None, *, measured: Callable[..., Results] = measured) -> int:
    """The command line; the result is the exit code. `measured` runs the rows."""
    parser = argparse.ArgumentParser(prog="make bench-guard", description=__doc__)
    parser.add_argument("--record", action="store_true", help="record the ratios instead of comparing them")
    parser.add_argument("--recorded", type=Path, default=RECORDED, help=argparse.SUPPRESS)
    parser.add_argument("--reps", type=int, default=REPETITIONS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    args = parser.parse_args(argv)
    try:
        recorded = {} if args.record else json.loads(args.recorded.read_text())
        results = measured(list(recorded) or ROWS, repetitions=args.reps, seconds=args.seconds)
    except (BenchError, OSError) as error:
        say(f"bench-guard: {error}")
        return 1
    if args.record:
        args.recorded.write_text(json.dumps(ratios(results), indent=1) + "\n")
        return 0
    for row, ratio in ratios(results).items():
        print(f"{row}: {ratio:.2f} times nginx, recorded {recorded[row]:.2f}")
    wrong = verdicts(results, recorded)
    for line in wrong:
        say(f"bench-guard: {line}")
    if wrong:
        say("hint: `make profile ROW=NAME` shows where the time goes; on a busy machine run it once more")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
