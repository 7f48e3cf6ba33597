"""The event loop of a whole gateway is never held for 20 ms: look-ups, a hundred requests at once, bodies of 24 MB.

Measured in CPU time of the loop's own thread, which the load of the machine hardly changes: what a hypervisor takes away, or
the kernel does in the thread's name, counts too. So a gateway that was over the limit may try again, twice: what the code
does, it does each time. The last test is the proof that the measure can fail: the same load, with large bodies
translated on the loop.
"""

import base64
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from openclaude.demo.scene import weather
from openclaude.simulator.world import World
from support.patience import DEADLINE
from support.rawhttp import ask
from support.staging import OPUS, QWEN, client_headers, message_body

LIMIT = 0.020
"""Seconds, from the contract."""
ROUNDS = 3
CONFIG = """
[[routes]]
match = "claude-*"
to = "anthropic"

[[routes]]
match = "qwen-3-coder"
to = "bedrock"
model = "qwen.qwen3-coder-next"
region = "us-west-2"

[[routes]]
match = "moves"
to = "bedrock"
model = "qwen.qwen3-coder-next"
region = "us-west-2"
when_unsupported = "claude-haiku-5-5"

[[routes]]
match = "converse"
to = "bedrock"
model = "amazon.nova-pro-v1:0"
region = "us-west-2"

[[routes]]
match = "invoke"
to = "bedrock"
model = "us.anthropic.claude-sonnet-4-6"
region = "us-west-2"
profile = "program"
"""

pytestmark = pytest.mark.xdist_group("loop")


@dataclass
class Watched:
    """A gateway under watch."""

    url: str
    process: "subprocess.Popen[str]"

    def end(self) -> tuple[float, str]:
        """End the gateway; its longest callback, in CPU seconds, and which it was."""
        self.process.terminate()
        out, _ = self.process.communicate(timeout=DEADLINE)
        seen = json.loads(out)
        assert seen["callbacks"] > 1000
        return seen["work"], seen["callback"]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(weather, record_limit=0) as running:
        yield running


def start(world: World, folder: Path, *, inline: bool) -> Watched:
    keys = world.aws_env()
    folder.mkdir()
    program = folder / "keys.json"
    program.write_text(
        json.dumps(
            {
                "Version": 1,
                "AccessKeyId": keys["AWS_ACCESS_KEY_ID"],
                "SecretAccessKey": keys["AWS_SECRET_ACCESS_KEY"],
                "SessionToken": keys["AWS_SESSION_TOKEN"],
                "Expiration": "2099-01-01T00:00:00Z",
            }
        )
    )
    (folder / ".aws").mkdir()
    (folder / ".aws" / "config").write_text(f"[profile program]\ncredential_process = cat {program}\n")
    told = {
        "config": CONFIG,
        "folder": str(folder),
        "connect_to": world.connect_to,
        "ca_file": str(world.ca_file),
        "env": {"HOME": str(folder), "PATH": os.environ["PATH"], **keys},
        "inline": inline,
    }
    file = folder / "told.json"
    file.write_text(json.dumps(told))
    process = subprocess.Popen(
        [sys.executable, "-m", "support.watched", str(file)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert process.stdout is not None
    return Watched(f"http://127.0.0.1:{int(process.stdout.readline())}/secret", process)


def image() -> dict[str, object]:
    data = base64.b64encode(b"\x89PNG\r\n\x1a\n" + os.urandom(2_700_000)).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


def images(model: str) -> bytes:
    """24 MB in six texts of one message."""
    content = [*(image() for _ in range(6)), {"type": "text", "text": "hello"}]
    return _body(model, [{"role": "user", "content": content}])


def conversation(model: str) -> bytes:
    """24 MB in two hundred turns."""
    text = secrets.token_hex(30_000) * 2
    turns = [{"role": role, "content": text} for _ in range(100) for role in ("user", "assistant")]
    return _body(model, [*turns, {"role": "user", "content": "hello"}])


def _body(model: str, messages: list[dict[str, object]]) -> bytes:
    raw = json.dumps({"model": model, "max_tokens": 64, "stream": True, "messages": messages}).encode()
    assert 20_000_000 < len(raw) < 25_000_000
    return raw


def load(gateway: Watched, large: list[bytes]) -> None:
    """The large bodies and a hundred requests at once; everything is answered."""
    headers = client_headers("sk-ant-" + "oat01-" + secrets.token_hex(24))
    models = (OPUS, QWEN, QWEN, "invoke")
    small = [message_body(models[number % 4], "hello", stream=True) for number in range(100)]
    with ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(lambda body: ask(gateway.url, headers, body), [*large, *small]))
    assert [answer.status for answer in answers] == [200] * len(answers)


def test_no_callback_of_the_loop_takes_20_ms(world: World, tmp_path: Path) -> None:
    bodies = [images("converse"), images("invoke"), conversation("converse"), conversation("invoke")]
    seen: list[tuple[float, str]] = []
    while not seen or (seen[-1] >= (LIMIT, "") and len(seen) < ROUNDS):
        gateway = start(world, tmp_path / str(len(seen)), inline=False)
        load(gateway, [*bodies, images("moves"), conversation("moves")])
        seen.append(gateway.end())
    assert min(seen) < (LIMIT, ""), seen


def test_the_measure_fails_when_large_bodies_are_translated_on_the_loop(world: World, tmp_path: Path) -> None:
    gateway = start(world, tmp_path / "inline", inline=True)
    load(gateway, [images("converse")])
    assert gateway.end() > (LIMIT, "")
