"""Writes RESULTS.md, the plot and the README's part of it, all from `results.json`: `python -m benchmarks.report`."""

import sys
from collections.abc import Mapping
from typing import Final

from benchmarks import plot, rows, tables, targets
from benchmarks.kinds import MODE_NAMES, MODES
from benchmarks.paths import PLOT, REPORT, RESULTS, ROOT
from benchmarks.results import LIMIT, OURS, Results, load, number

README: Final = ROOT / "README.md"
BEGIN: Final = "<!-- benchmark: written by `make bench` -->"
END: Final = "<!-- end of the benchmark -->"
_SHOWN: Final = (
    ("JSON, 2 KB", "http:json-2k@16"),
    ("JSON, 150 KB", "http:json-150k@16"),
    ("stream, 150 KB", "http:paced-150k@16"),
    ("to Bedrock, 150 KB", "bedrock:burst-150k@1"),
)


def write(results: Results) -> None:
    """Write all of them."""
    REPORT.write_text(document(results))
    PLOT.write_text(plot.svg(results))
    README.write_text(with_summary(README.read_text(), results))


def document(results: Results) -> str:
    """RESULTS.md."""
    parts = [
        "# Results",
        *_head(results),
        "## Targets",
        *_targets(results),
        "## The floor",
        *_floor(results),
        "## Starts and sizes",
        (
            "openClaude's size includes its eleven packages, not Python; LiteLLM's likewise. Node.js is not counted. "
            "A start ends with the first answered request; openClaude is asked by mutual TLS, its usual way."
        ),
        tables.starts(results),
        *_memory(results),
        *_rows(results),
        "## Not measured",
        "A figure counts only when every body, answer and event arrived whole. These did not, or could not be tried:",
        tables.failures(results),
    ]
    return "\n\n".join(parts) + "\n"


def _head(results: Results) -> list[str]:
    about = results.about
    return [
        f"Written by `make bench` on {about['date']}; do not edit. [README.md](README.md) says what is measured and how to repeat it.",
        (
            f"- Machine: {about['machine']}.\n- Software: {_state(about)}{about['python']}, "
            f"Node.js {about['node']}; the gateways' versions stand below.\n"
            f"- Each figure: median (least{tables.RANGE}most) of {about['how']}."
        ),
        (
            "CPU is what counts: client, upstream and gateways share the machine, so rates and times depend on each other. "
            "Compare figures of one table only. `direct` is the client and the upstream without a gateway."
        ),
        "![CPU of each gateway for a request](results.svg)",
    ]


def _state(about: Mapping[str, str]) -> str:
    return f"openClaude at {about['commit']}, " if about.get("commit") else ""


def _targets(results: Results) -> list[str]:
    found = targets.targets(results)
    measured = [target for target in found if target.found is not None]
    return [
        (
            f"{sum(target.met for target in measured)} of {len(measured)} measured targets are met. "
            "Ratios are of openClaude's figure to the other's in the same repetition."
        ),
        tables.markdown(
            ["target", "at most", "measured", "", "who does less"], [target.cells() for target in found]
        ),
    ]


def _floor(results: Results) -> list[str]:
    """How much of the distance to nginx is Python's, how much that of HTTP in Python, and how much is openClaude's."""
    lines = []
    for row in rows.BY_KEY:
        ratios = [results.ratio(row, LIMIT, of=name) for name in (*targets.FLOORS, OURS)]
        if ratios[0] and ratios[-1]:
            lines.append([f"`{row}`", *(ratio.text() if ratio else tables.EMPTY for ratio in ratios)])
    return [
        (
            "`python-copy` is a Python program on the same event loop that copies bytes and looks at none of them; `python-http` parses them with "
            "llhttp and keeps connections, without one rule. `python-duties` does the duties of openClaude's way for a JSON request "
            "that repeats its connection's head, flat, in two functions, and refuses nothing: no error, no limit of time, no reload. "
            "TLS is uvloop's for all three, openClaude has a transport of its own. What `python-duties` takes beyond nginx is "
            "what these duties cost in Python; what openClaude takes beyond it is its own: it knows all of these. "
            "[The system calls](../ARCHITECTURE.md#what-the-hot-path-does) are as few as nginx's."
        ),
        tables.markdown(
            ["row", *(f"{name} {tables.TIMES} {LIMIT}" for name in (*targets.FLOORS, OURS))], lines
        ),
    ]


def _memory(results: Results) -> list[str]:
    parts = [
        "## Memory",
        "PSS of all the gateway's processes, while streams are open after a request of 150 KB each.",
    ]
    for mode in MODES:
        if mode in results.memory:
            parts += [f"### {_capital(MODE_NAMES[mode])}", tables.memory(results, mode)]
    return parts


def _rows(results: Results) -> list[str]:
    parts = [
        "## Rows",
        (
            "`json`: one JSON answer. `burst`: 100 events as fast as they come, which flatters slow gateways, since they read many "
            "at once. `paced`: 100 events, 10 ms apart. Behind @: requests at once."
        ),
    ]
    for heading, prefix in (
        *((f"### {_capital(MODE_NAMES[mode])}", f"{mode}:") for mode in MODES),
        ("### Anthropic in, Amazon Bedrock Converse out, plain HTTP", "bedrock:"),
    ):
        found = [row for row in rows.BY_KEY if row.startswith(prefix) and row in results.rows]
        parts += [heading] if found else []
        for row in found:
            parts += [f"`{row}`", tables.of_row(results, row)]
    return parts


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def summary(results: Results) -> str:
    """What the README shows."""
    about = results.about
    head = ["gateway", *(what for what, _ in _SHOWN), "256 streams", "start", "installed"]
    lines = []
    shown = {name: facts for name, facts in results.gateways.items() if name not in targets.FLOORS}
    for name, facts in shown.items():
        memory = results.megabytes("http", name, 256)
        cold = sorted(results.cold.get(name, {}).get("wall", []))
        cells = [name if name != OURS else f"**{name}**"]
        for _, row in _SHOWN:
            cost = results.of(row, name, "cpu_ms")
            cells.append(f"{number(cost.median)} ms" if cost else tables.EMPTY)
        cells.append(f"{number(memory.median, 1)} MB" if memory else tables.EMPTY)
        cells.append(f"{number(cold[len(cold) // 2])} s" if cold else tables.EMPTY)
        cells.append(f"{number(facts['size'] / 1e6, 1)} MB" if facts["size"] else tables.EMPTY)
        lines.append(cells)
    versions = ", ".join(f"{name} {facts['version']}" for name, facts in shown.items() if facts["version"])
    return "\n\n".join(
        [
            "![CPU of each gateway for a request](benchmarks/results.svg)",
            "CPU for each request, memory with 256 open streams, time to the first answer after a start:",
            tables.markdown(head, lines),
            (
                f"{about['date']}, {about['machine']}; {versions}. `{LIMIT}` and `haproxy` only forward and are the limit. Repeat "
                "it with `make bench`. All rows, TLS, targets met and missed: [RESULTS.md](benchmarks/RESULTS.md); how it is "
                "measured: [benchmarks/README.md](benchmarks/README.md)."
            ),
        ]
    )


def with_summary(readme: str, results: Results) -> str:
    """The README with its part replaced; unchanged where it has none."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{begin}\n\n{summary(results)}\n\n{end}{after}" if begin and end else readme


if __name__ == "__main__":
    write(load(RESULTS))
    sys.exit(0)
