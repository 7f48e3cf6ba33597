"""The figure: CPU for each request on a logarithmic scale, as SVG written by hand. It reads on light and on dark pages."""

import math
from collections.abc import Iterator
from typing import Final
from xml.sax.saxutils import escape

from benchmarks.results import OURS, Results, number

ROWS: Final = (
    ("http:json-2k@16", "JSON, 2 KB request, 16 at once"),
    ("http:json-150k@16", "JSON, 150 KB request, 16 at once"),
    ("http:paced-150k@16", "stream of 100 events, 150 KB request, 16 at once"),
    ("bedrock:burst-150k@1", "translated for Bedrock: 150 KB request, 100 events"),
)
WIDTH: Final = 860
LEFT: Final = 170
RIGHT: Final = 80
BAR: Final = 18
HEAD: Final = 34
GAP: Final = 16
_STYLE: Final = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .head { font-weight: 600 } .small { font-size: 11px; fill: #57606a }
  .ours { fill: #1a7f37 } .limit { fill: #8c959f } .peer { fill: #bf8700 } .grid { stroke: #d0d7de }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9198a1 }
    .ours { fill: #3fb950 } .limit { fill: #6e7681 } .peer { fill: #d29922 } .grid { stroke: #30363d }
  }
"""


def svg(results: Results) -> str:
    """The whole picture."""
    groups = [(row, title, _costs(results, row)) for row, title in ROWS if results.rows.get(row)]
    costs = [cost for _, _, bars in groups for _, cost in bars]
    if not costs:
        return ""
    low, high = math.floor(math.log10(min(costs)) * 2) / 2, math.ceil(math.log10(max(costs)))
    height = 46 + sum(HEAD + BAR * len(bars) + GAP for _, _, bars in groups)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
            'role="img" aria-label="CPU of each gateway for a request">'
        ),
        f"<style>{_STYLE}</style>",
        '<text x="0" y="16" class="head">CPU for each request, milliseconds, logarithmic; shorter is better</text>',
        (
            '<text x="0" y="33" class="small">green: openClaude, with routing, policy, egress wall and log on; '
            "grey: programs that only forward; yellow: other gateways</text>"
        ),
    ]
    top = 46.0
    for _, title, bars in groups:
        parts += _group(results, title, bars, top, (low, high))
        top += HEAD + BAR * len(bars) + GAP
    return "\n".join([*parts, "</svg>", ""])


def _costs(results: Results, row: str) -> list[tuple[str, float]]:
    found = [
        (name, cost.median)
        for name in results.rows[row]
        if name != "direct" and (cost := results.of(row, name, "cpu_ms"))
    ]
    return sorted(found, key=lambda pair: pair[1])


def _group(
    results: Results, title: str, bars: list[tuple[str, float]], top: float, scale: tuple[float, float]
) -> Iterator[str]:
    low, high = scale
    room = WIDTH - LEFT - RIGHT
    yield f'<text x="0" y="{top + 22:.0f}" class="head">{escape(title)}</text>'
    for power in range(math.ceil(low), math.floor(high) + 1):
        x = LEFT + room * (power - low) / (high - low)
        bottom = top + HEAD + BAR * len(bars)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top + HEAD - 4:.0f}" y2="{bottom:.0f}" class="grid"/>'
    for index, (name, cost) in enumerate(bars):
        y = top + HEAD + BAR * index
        length = max(2.0, room * (math.log10(cost) - low) / (high - low))
        kind = results.gateways.get(name, {}).get("kind", "peer")
        weight = ' class="head"' if name == OURS else ""
        yield f'<text x="{LEFT - 8}" y="{y + 12:.0f}" text-anchor="end"{weight}>{escape(name)}</text>'
        yield f'<rect x="{LEFT}" y="{y:.0f}" width="{length:.1f}" height="{BAR - 4}" rx="2" class="{kind}"/>'
        yield f'<text x="{LEFT + length + 6:.1f}" y="{y + 12:.0f}" class="small">{number(cost)}</text>'
