"""Sessions of the real client that run beside the test, and are looked at while they stream."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.product import OPENCLAUDE, Home
from support.session import with_client
from support.witness import OUTPUT, WITNESS


@dataclass
class Session:
    """A run of the real client whose output, a JSON value in each line, goes to a file."""

    errand: str
    process: "subprocess.Popen[bytes]"
    output: Path

    def lines(self) -> list[dict[str, Any]]:
        """What it has said so far, in whole lines."""
        *said, _ = self.output.read_bytes().split(b"\n")
        return [json.loads(line) for line in said if line.startswith(b"{")]

    def shows_text(self) -> bool:
        """Whether a piece of the answer has reached the client."""
        assert self.process.poll() is None, self.output.read_text()
        events = [line["event"]["type"] for line in self.lines() if line["type"] == "stream_event"]
        return "content_block_delta" in events

    def ended(self) -> tuple[int, bool, str]:
        """Exit code, whether it failed in the client's own opinion, and its answer."""
        code = self.process.wait(timeout=120)
        last = self.lines()[-1]
        return code, last["is_error"], last["result"]


def begin(home: Home, project: Path, errand: str, model: str, keys: Mapping[str, str], *more: str) -> Session:
    """Start a session; `keys` are the AWS variables of its shell."""
    output = project.parent / f"{errand}.out"
    shown = ("--output-format", "stream-json", "--verbose", "--include-partial-messages")
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*OPENCLAUDE, "-p", errand, "--model", model, *shown, *more],
            env=with_client(home, keys),
            cwd=project,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    return Session(errand, process, output)


@contextmanager
def sessions(
    home: Home, project: Path, keys: Mapping[str, str], models: Sequence[str], *more: str
) -> Iterator[Sequence[Session]]:
    """Sessions under way, one for each model, on the errands errand-0, errand-1, and so on. None is left at the end, and what they said is looked at for secrets."""
    started: list[Session] = []
    try:
        for number, model in enumerate(models):
            started.append(begin(home, project, f"errand-{number}", model, keys, *more))
        yield started
    finally:
        for session in started:
            session.process.kill()
            session.process.wait()
            WITNESS.saw(OUTPUT, session.output.read_bytes())
