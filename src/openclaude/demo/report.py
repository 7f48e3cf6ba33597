"""What the demonstration saw, as tables that read without colour."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path

from openclaude.demo.conversation import Exchange
from openclaude.demo.oracle import seen, views
from openclaude.demo.scene import Scene
from openclaude.simulator.recorded import Recorded

DESTINATIONS = ("Anthropic", "Bedrock", "client", "files and logs")
ALLOWED = {
    ("plan login", "Anthropic"),
    ("AWS access key id", "Bedrock"),
    ("AWS session token", "Bedrock"),
}
"""Where a credential has to arrive. Everywhere else it must not be seen."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One credential at one destination."""

    credential: str
    destination: str
    seen: bool
    expected: bool

    @property
    def text(self) -> str:
        if self.seen:
            return "arrived" if self.expected else "LEAKED"
        return "MISSING" if self.expected else "-"


def credential_cells(scene: Scene, exchanges: list[Exchange]) -> list[Cell]:
    """Look for every credential in everything that arrived anywhere, and in every file the gateway wrote."""
    log = scene.world.log
    seen_by = {
        "Anthropic": b"\0".join(log.wires(scene.world.anthropic.name)),
        "Bedrock": b"\0".join(log.wires(scene.world.bedrock.name)),
        "client": b"\0".join(exchange.raw for exchange in exchanges),
        "files and logs": files(scene.home),
    }
    return cells(scene.secrets, seen_by, ALLOWED)


def cells(
    secrets: Mapping[str, str], seen_by: Mapping[str, bytes], expected: Container[tuple[str, str]]
) -> list[Cell]:
    """Every secret at every destination.

    Args:
        secrets: by name.
        seen_by: every byte that arrived, by destination.
        expected: the pairs of names at which a secret has to arrive; at every other one it must not.
    """
    looked_into = {destination: views(data) for destination, data in seen_by.items()}
    return [
        Cell(name, destination, seen(found, secret), (name, destination) in expected)
        for name, secret in secrets.items()
        for destination, found in looked_into.items()
    ]


def files(home: Path) -> bytes:
    """Every file but those that are there to hold the installation's secret and its keys."""
    paths = [path for path in sorted(home.rglob("*")) if path.is_file()]
    paths = [path for path in paths if path.relative_to(home).parts[0] not in ("secret", "tls")]
    return b"\0".join(path.read_bytes() for path in paths)


def route_rows(scene: Scene, exchanges: list[Exchange]) -> list[tuple[str, ...]]:
    """One row for each conversation."""
    rows: list[tuple[str, ...]] = []
    for exchange in exchanges:
        arrived = [row for row in scene.world.requests() if _belongs(row, exchange)]
        servers = ", ".join(sorted({row.server for row in arrived})) or "nobody"
        kinds = ", ".join(sorted({credential_kind(row) for row in arrived})) or "-"
        form = f"stream, {exchange.events} events" if exchange.stream else "one answer"
        answer = exchange.error or exchange.text
        rows.append((exchange.model, form, servers, kinds, str(exchange.tool_calls), answer))
    return rows


def _belongs(row: Recorded, exchange: Exchange) -> bool:
    """The user's question names the model as the client called it, so it is found in the translated body too."""
    if row.body is None or f"({exchange.model})".encode() not in row.body:
        return False
    streamed = b"converse-stream" in row.target or b'"stream": true' in row.body
    return streamed == exchange.stream


def credential_kind(row: Recorded) -> str:
    """Which kind of credential a request carried."""
    value = row.header("authorization") or b""
    if value.startswith(b"AWS4-HMAC-SHA256 "):
        return "AWS signature, verified"
    if value.startswith(b"Bearer sk-ant-oat"):
        return "plan login"
    if value.startswith(b"Bearer bedrock-api-key"):
        return "Bedrock API key"
    if row.header("x-api-key"):
        return "API key"
    return "other" if value else "none"
