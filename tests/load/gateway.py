"""The whole gateway in a process of its own that says how it is: `python -m load.gateway FILE`.

FILE is a JSON object: `config` (TOML), `folder`, `connect_to`, `ca_file` and `env`. The port is printed when the gateway is
ready, then a JSON object for every interval (see `Pulse`), until standard input ends.
"""

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import uvloop

from openclaude import config, wiring
from openclaude.edge import dial, sockets
from openclaude.launcher import certificates
from openclaude.launcher.hygiene import raise_descriptors
from openclaude.launcher.state import open_state

TICK = 0.02
INTERVAL = 1.0


class Pulse:
    """Looks at the loop every 20 ms and says once a second how late it came.

    A line has `at` (monotonic seconds), `rss` (bytes), `blocks` (of Python's own small objects), `descriptors`, and two tables of milliseconds to ticks: `late` is how much
    later than due a tick came, whoever held it up; `held` the part of it in which the loop's thread was computing,
    which is what the gateway itself held up, however busy the machine is.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._late: Counter[int] = Counter()
        self._held: Counter[int] = Counter()
        self._said = self._loop.time()
        self._cpu = time.thread_time()
        self._due = time.monotonic()
        self._next()

    def _next(self) -> None:
        self._due = time.monotonic() + TICK
        self._loop.call_later(TICK, self._tick)

    def _tick(self) -> None:
        now, cpu = time.monotonic(), time.thread_time()
        late = max(0.0, now - self._due)
        self._late[int(late * 1000)] += 1
        self._held[int(min(late, cpu - self._cpu) * 1000)] += 1
        self._cpu = cpu
        if now - self._said >= INTERVAL:
            self._said = now
            self._say(now)
        self._next()

    def _say(self, now: float) -> None:
        line = {
            "at": now,
            "rss": resident(),
            "blocks": sys.getallocatedblocks(),
            "descriptors": len(list(Path("/dev/fd").iterdir())),
            "late": self._late,
            "held": self._held,
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        self._late.clear()
        self._held.clear()


def resident() -> int:
    """Bytes of memory that are this process's now."""
    pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    return int(pages) * resource.getpagesize()


async def serve(plan: wiring.Plan) -> None:
    Pulse()
    gateway = asyncio.get_running_loop().create_task(wiring.serve(plan))
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await asyncio.wait((gateway, ended), return_when=asyncio.FIRST_COMPLETED)
    gateway.cancel()


def main(told: dict[str, Any]) -> None:
    raise_descriptors()
    folder = Path(told["folder"])
    state = open_state(folder / "state")
    bound = {"mutual": sockets.bind(0)}

    def ready() -> None:
        sys.stdout.write(f"{bound['mutual'].getsockname()[1]}\n")
        sys.stdout.flush()

    plan = wiring.Plan(
        config=config.parse(told["config"], "config.toml"),
        sockets=bound,
        certificates=lambda: certificates.ensure(state),
        channel=None,
        log_file=folder / "gateway.log",
        base_path="secret",
        identity="identity",
        dial=dial.parse(told["connect_to"]),
        ca_file=Path(told["ca_file"]),
        env=told["env"],
        ready=ready,
    )
    uvloop.run(serve(plan))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
