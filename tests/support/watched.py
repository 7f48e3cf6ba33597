"""The whole gateway in a process of its own, with a watch on its event loop: `python -m support.watched FILE`.

FILE is a JSON object: `config` (TOML), `folder`, `connect_to`, `ca_file`, `env`, and `inline`, which has large bodies
translated on the loop itself. The port is printed when the gateway is ready. At its end, brought about by SIGTERM,
one JSON object is: `work`, the most CPU seconds that one callback took, `callback`, which it was, and `callbacks`.

CPU time of the loop's thread is what the code under test spends, however busy the machine is. The loop is asyncio's own,
because uvloop cannot be watched from the inside; the callbacks that are measured are the gateway's in either.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openclaude import config, wiring
from openclaude.edge import dial, sockets
from openclaude.edge.worker import ThreadWorker
from openclaude.launcher import certificates
from openclaude.launcher.state import open_state


class WatchedLoop(asyncio.SelectorEventLoop):
    """Measures every callback it runs: whatever is called soon, later, or because a socket is ready."""

    def __init__(self) -> None:
        super().__init__()
        self.begin()

    def begin(self) -> None:
        """Forget what was measured."""
        self.work, self.callback, self.callbacks = 0.0, "", 0

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        return super().call_soon(self._measured, callback, *args, context=context)

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        return super().call_soon_threadsafe(self._measured, callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        return super().call_at(when, self._measured, callback, *args, context=context)

    def _add_reader(self, fd: Any, callback: Any, *args: Any) -> Any:
        return super()._add_reader(fd, self._measured, callback, *args)  # type: ignore[misc]

    def _add_writer(self, fd: Any, callback: Any, *args: Any) -> Any:
        return super()._add_writer(fd, self._measured, callback, *args)  # type: ignore[misc]

    def _measured(self, callback: Any, *args: Any) -> None:
        before = time.thread_time()
        try:
            callback(*args)
        finally:
            took = time.thread_time() - before
            self.callbacks += 1
            if took > self.work:
                self.work, self.callback = took, repr(callback)


class OnTheLoop:
    """What a gateway without a second thread would do."""

    busy = False

    def __init__(self, report: Any) -> None:
        """Nothing is reported: what is raised is raised where it is asked for."""

    def run(self, size: int, work: Callable[[], Any], then: Callable[[Callable[[], Any]], None]) -> None:
        then(work)

    def close(self) -> None:
        """There is nothing to end."""


def main(told: dict[str, Any]) -> None:
    folder, loop = Path(told["folder"]), WatchedLoop()
    state = open_state(folder / "state")
    certificates.ensure(state)  # as a launcher does it, before there is a loop
    bound = {"mutual": sockets.bind(0), "http": sockets.bind(0, listen=False)}

    def ready() -> None:
        sys.stdout.write(f"{bound['http'].getsockname()[1]}\n")
        sys.stdout.flush()
        loop.call_soon(loop.begin)  # what starts the gateway holds nobody up

    plan = wiring.Plan(
        config=config.parse(told["config"], "config.toml"),
        sockets=bound,
        certificates=lambda: certificates.ensure(state),
        opened=("http",),
        channel=None,
        log_file=folder / "gateway.log",
        base_path="secret",
        identity="identity",
        dial=dial.parse(told["connect_to"]),
        ca_file=Path(told["ca_file"]),
        env=told["env"],
        ready=ready,
        worker=OnTheLoop if told["inline"] else ThreadWorker,
    )
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(wiring.serve(plan))
    seen = {"work": loop.work, "callback": loop.callback, "callbacks": loop.callbacks}
    sys.stdout.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
