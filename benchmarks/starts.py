"""What a start costs: each gateway until it has answered its first request, and the launch of the client."""

import os
import resource
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from benchmarks import bodies, ours
from benchmarks.gateways import environment
from benchmarks.kinds import Gateway, Mode, Way
from benchmarks.processes import Session, free_port, wait_until_it_listens
from benchmarks.programs import Upstream
from benchmarks.running import place, until_answered

_CLIENT: Final = "#!/bin/sh\nexit 0\n"


def cold(gateway: Gateway, upstream: Upstream, *, repetitions: int) -> dict[str, list[float]]:
    """Wall-clock and CPU seconds from nothing to the first answered request.

    The gateway was started before, so that its files are in the cache and its state (certificates, compiled Python) is made.
    openClaude is met by its usual way, mutual TLS.

    Raises:
        BenchError: it does not answer.
    """
    mode: Mode = "mutual" if gateway.kind == "ours" else "http"
    body = bodies.path("2k", translated=False, stream=False).read_bytes()
    found: dict[str, list[float]] = {"wall": [], "cpu": []}
    with place(gateway.name, mode, upstream) as where:
        program = gateway.make(where)
        env = environment(where, program)
        way = Way(where.port)
        for repetition in range(repetitions + 1):
            began = time.monotonic()
            session = Session(program.command, env, where.folder)
            try:
                if repetition == 0:
                    wait_until_it_listens(session, where.port, name=gateway.name)
                    way = program.way() if program.way else way
                    way = Way(way.port, way.target, program.headers, way.authority, way.certificate, way.key)
                until_answered(way, body, session)
                if repetition:
                    found["wall"].append(time.monotonic() - began)
                    found["cpu"].append(session.cpu())
            finally:
                session.stop()
    return found


def launches(*, repetitions: int) -> list[float]:
    """CPU seconds of `openclaude -p x` when its gateway runs, its children included; the client ends at once."""
    with tempfile.TemporaryDirectory(prefix="bench-launch-") as name:
        home = Path(name)
        env = {"HOME": name, "PATH": f"{name}:{os.environ['PATH']}", "AWS_EC2_METADATA_DISABLED": "true"}
        client = home / "claude"
        client.write_text(_CLIENT)
        client.chmod(0o755)
        (home / ".openClaude").mkdir(mode=0o700)
        (home / ".openClaude" / "config.toml").write_text(ours.configuration(free_port()))
        try:
            _cpu([*ours.OPENCLAUDE, "-p", "x"], env)
            return [_cpu([*ours.OPENCLAUDE, "-p", "x"], env) for _ in range(repetitions)]
        finally:
            with suppress(subprocess.CalledProcessError):
                _cpu([*ours.OPENCLAUDE, "stop"], env)


def _cpu(command: list[str], env: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=env, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
