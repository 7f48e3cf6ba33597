"""The gateway's worker: the process that serves requests, started by `openclaude serve`."""

import json
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from openclaude import config
from openclaude.cli.common import FAILED, say
from openclaude.launcher import certificates
from openclaude.launcher.hygiene import harden
from openclaude.launcher.state import State, open_state


class EndedError(Exception):
    """A forked worker has served and ends now; `code` is its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Boot:
    """What a worker has to know. `sockets` are descriptors by door; the rest is as in `launcher.workers.Start`."""

    texts: Mapping[str, Sequence[str]]
    sockets: Mapping[str, int]
    opened: Sequence[str]
    sessions: Sequence[Mapping[str, Any]] = field(repr=False)
    connect_to: Sequence[str]
    ca_file: str
    reason: str

    def send(self, channel: socket.socket) -> None:
        """The first line on a worker's channel."""
        channel.sendall(json.dumps(asdict(self)).encode() + b"\n")


def run_told(channel: int, env: Mapping[str, str], stderr: TextIO) -> int:
    """Serve in a process of its own, as the first line on the channel says."""
    harden()
    connection = socket.socket(fileno=channel)
    line = b""
    while not line.endswith(b"\n"):
        piece = connection.recv(1)  # what follows the line belongs to the event loop
        if not piece:
            return FAILED
        line += piece
    told: dict[str, Any] = json.loads(line)
    boot = Boot(**told)
    return run(boot, connection, open_state(config.home(env)), env, stderr)


def run(boot: Boot, channel: socket.socket, state: State, env: Mapping[str, str], stderr: TextIO) -> int:
    """Serve until the supervisor says that it is over; the result is the exit code."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # they reach the whole group; the supervisor decides
    import asyncio  # noqa: PLC0415  only a worker needs the event loop

    import uvloop  # noqa: PLC0415

    from openclaude import wiring  # noqa: PLC0415
    from openclaude.edge import dial  # noqa: PLC0415
    from openclaude.edge.tls import NoTrustStoreError  # noqa: PLC0415

    channel.setblocking(False)
    secrets = state.secrets()
    main, profiles = wiring.parsed(boot.texts)
    plan = wiring.Plan(
        config=main,
        profiles=profiles,
        sockets={door: _listening(number) for door, number in boot.sockets.items()},
        certificates=lambda: certificates.ensure(state),
        channel=channel,
        log_file=state.log_file,
        base_path=secrets.base_path,
        identity=secrets.identity,
        dial=dial.parse(list(boot.connect_to)),
        ca_file=Path(boot.ca_file) if boot.ca_file else None,
        env=env,
        opened=boot.opened,
        sessions=boot.sessions,
        reason=boot.reason,
    )
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(wiring.serve(plan))
    except (NoTrustStoreError, OSError) as error:
        say(stderr, f"the gateway cannot run: {error}\nhint: openclaude doctor")
        sys.stderr.flush()
        return FAILED
    return 0


def _listening(number: int) -> socket.socket:
    listening = socket.socket(fileno=number)
    listening.setblocking(False)
    return listening
