"""What the benchmark is made of: ways to a gateway, gateways, rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from benchmarks.programs import Certificates, Upstream

Mode = Literal["http", "tls", "mutual"]
MODES: Final[tuple[Mode, ...]] = ("http", "tls", "mutual")
MODE_NAMES: Final[Mapping[str, str]] = {
    "http": "plain HTTP on both sides",
    "tls": "TLS to the provider",
    "mutual": "TLS on both sides, with client certificates",
}


@dataclass(frozen=True, slots=True)
class Way:
    """How the load client reaches a gateway. With an `authority` it speaks TLS, and shows `certificate` if there is one."""

    port: int
    target: str = "/v1/messages"
    headers: Sequence[str] = ()
    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """What a gateway's function is given.

    Attributes:
        mode: which sides speak TLS.
        port: where it has to listen on 127.0.0.1, unless its program has `way`.
        folder: its own empty folder; also its HOME and working folder.
        upstream: the provider.
    """

    mode: Mode
    port: int
    folder: Path
    upstream: Upstream

    @property
    def upstream_port(self) -> int:
        return self.upstream.plain if self.mode == "http" else self.upstream.tls

    @property
    def upstream_url(self) -> str:
        return f"{'http' if self.mode == 'http' else 'https'}://127.0.0.1:{self.upstream_port}"

    @property
    def certificates(self) -> Certificates:
        return self.upstream.certificates

    def write(self, name: str, text: str) -> Path:
        """Write a file into its folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@dataclass(frozen=True, slots=True)
class Program:
    """What a gateway's function answers.

    Attributes:
        command: a program that stays in the foreground and listens on the place's port.
        env: what it needs besides PATH and HOME.
        headers: what the client has to send, as `name: value`.
        bedrock_headers: the same on rows that are translated for Bedrock; None for `headers`.
        way: asked once it listens, where path, port or certificates are the gateway's own choice.
    """

    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    headers: Sequence[str] = ()
    bedrock_headers: Sequence[str] | None = None
    way: Callable[[], Way] | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a gateway's installation.

    Attributes:
        version: what is installed.
        size: bytes on the disk, None where nobody knows.
        missing: why it cannot be measured here, empty when it can; may install it.
    """

    version: Callable[[], str] = str
    size: Callable[[], int | None] = lambda: None
    missing: Callable[[], str] = str


@dataclass(frozen=True, slots=True)
class Gateway:
    """One row of every table.

    Attributes:
        name: as in the tables and on the command line.
        make: its function in `gateways.py`.
        modes: what it can do.
        translates: whether it speaks Bedrock Converse.
        exact: whether it promises to hand the body on byte for byte; then that is checked.
        kind: "limit" (no gateway can be expected below it), "ours" or "peer".
        facts: of its installation.
    """

    name: str
    make: Callable[[Place], Program]
    modes: Sequence[Mode]
    translates: bool
    exact: bool
    kind: Literal["limit", "ours", "peer"]
    facts: Facts


@dataclass(frozen=True, slots=True)
class Row:
    """One workload.

    Attributes:
        name: without the mode, such as `json-2k@16`.
        mode: which sides speak TLS.
        size: of the request body, a name of `bodies.SIZES`.
        at_once: connections that always have a request under way.
        events: text deltas of a streamed answer, None for one JSON answer.
        pace: microseconds between two deltas, 0 for a burst.
        requests: how many are made in a repetition, 0 to go on for the time given.
        translated: whether the upstream is Amazon Bedrock.
    """

    name: str
    mode: Mode
    size: str
    at_once: int
    events: int | None = None
    pace: int = 0
    requests: int = 0
    translated: bool = False

    @property
    def key(self) -> str:
        """Its name on the command line and in the results."""
        return f"{'bedrock' if self.translated else self.mode}:{self.name}"
