"""A gateway process that is stopped for a while, as a debugger, a full machine or a lid stops it (SIGSTOP, SIGCONT)."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from faults.cells import Result
from openclaude.launcher.control import Running
from openclaude.simulator.script import Answer, Ask, Text
from support.house import until
from support.rawhttp import Client
from support.staging import ROUTES, Stage

STOPPED = 1.0
"""Seconds for which nothing of the gateway runs."""
TEXT = "a word of an answer that goes on while its reader stands still " * 4


def play_stopped(stage: Stage, load: int) -> Result:
    """A cell: so many streams are under way while the worker stands still; all of them arrive whole, in the same process."""
    result = Result(status=200, ends="complete")
    before = stage.gateway.running
    gate = threading.Event()
    with ThreadPoolExecutor(max(load, 1)) as threads:
        streams = [threads.submit(_streamed, stage, number, gate) for number in range(load)]
        try:
            until("all streams are under way", lambda: _in_flight(stage) >= load)
            _all(before, signal.SIGSTOP)
            gate.set()  # the providers go on while nobody reads
            time.sleep(STOPPED)
        finally:
            gate.set()
            _all(before, signal.SIGCONT)
        for stream in streams:
            result.wrong += stream.result()
    result.wrong += _streamed(stage, 0, gate)
    running = stage.home.running()
    if running is None or (running.pid, running.worker) != (before.pid, before.worker):
        result.wrong.append(f"another gateway runs: {running}")
    elif running.in_flight:
        result.wrong.append(f"{running.in_flight} requests are said to be under way")
    return result


def _all(running: Running, number: int) -> None:
    """A signal to both processes of the gateway."""
    for process in (running.pid, running.worker):
        os.kill(process, number)


def _streamed(stage: Stage, number: int, gate: threading.Event) -> list[str]:
    """One stream to its end, which does not come before the gate is open; what is wrong with it."""

    def paced(_: Ask) -> Answer:
        return Answer((Text(TEXT),), chunk=16, pace=0.03, gate=gate)

    route = tuple(ROUTES)[number % len(ROUTES)]
    with Client(stage.gateway) as client:
        client.post("/v1/messages?beta=true", stage.headers(), stage.body(route, paced, stream=True))
        response = stage.receive(client)
    found = "".join(map(_text, response.events()))
    whole = response.whole and response.status == 200 and found == TEXT
    return (
        [] if whole else [f"{route}: {response.status}, whole={response.whole}, {len(found)} of {len(TEXT)}"]
    )


def _text(event: dict[str, Any]) -> str:
    return str(event.get("delta", {}).get("text", ""))


def _in_flight(stage: Stage) -> int:
    running = stage.home.running()
    return 0 if running is None else running.in_flight
