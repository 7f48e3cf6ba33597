"""Measure what openClaude costs before it does anything: `python tools/start_cost.py [RUNS]`.

Prints medians of CPU time (user and system, children included) and the gateway's memory when idle. CPU and not
wall clock, because a busy machine stretches the second. The client is a program that ends at once.
"""

import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

OPENCLAUDE = (str(Path(sys.executable).with_name("openclaude")),)
CLIENT = "#!/bin/sh\nexit 0\n"


def cpu(command: list[str], env: dict[str, str]) -> float:
    """Milliseconds of CPU that a command and everything it waited for took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=env, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def process_cpu(pid: int) -> float:
    """Milliseconds of CPU a living process has taken (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> dict[str, float]:
    """MB of memory: RSS counts shared pages whole, PSS its share of them (Linux)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
    return {name: sizes[name] for name in ("Rss", "Pss")}


def user(folder: Path) -> dict[str, str]:
    """The environment of a user with a client that ends at once, and a configuration with a free port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    home = folder / ".openClaude"
    home.mkdir(mode=0o700)
    env = {"HOME": str(folder), "PATH": f"{folder}:{os.environ['PATH']}", "AWS_EC2_METADATA_DISABLED": "true"}
    subprocess.run([*OPENCLAUDE, "config", "init"], env=env, check=True, capture_output=True)
    config = home / "config.toml"
    config.write_text(config.read_text().replace("port = 4000", f"port = {port}"))
    client = folder / "claude"
    client.write_text(CLIENT)
    client.chmod(0o755)
    return env


def cold(env: dict[str, str], idle: list[dict[str, float]]) -> float:
    """The first launch: the launcher and the gateway it starts, both processes. Notes the gateway's memory."""
    spent = cpu([*OPENCLAUDE, "-p", "x"], env)
    status = subprocess.run([*OPENCLAUDE, "status", "--json"], env=env, check=True, capture_output=True)
    facts = json.loads(status.stdout)
    pids = (facts["pid"], facts["worker"])
    both = [memory(pid) for pid in pids]
    idle.append({name: sum(sizes[name] for sizes in both) for name in both[0]})
    return spent + sum(process_cpu(pid) for pid in pids)


def stop(env: dict[str, str]) -> None:
    subprocess.run([*OPENCLAUDE, "stop"], env=env, check=True, capture_output=True)


def repeated(runs: int, measure: Callable[[], float]) -> list[float]:
    measure()  # files come into the cache, .pyc files are written
    return [measure() for _ in range(runs)]


def report(name: str, figures: list[float], unit: str) -> None:
    median, low, high = statistics.median(figures), min(figures), max(figures)
    print(f"{name:<44} {median:7.1f} {unit}   ({low:.1f} to {high:.1f}, {len(figures)} runs)")


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory(prefix="openclaude-cost-") as name:
        env = user(Path(name))
        empty = [str(Path(sys.executable)), "-I", "-c", "pass"]
        report("python that does nothing (CPU)", repeated(runs, lambda: cpu(empty, env)), "ms")
        report("openclaude --help (CPU)", repeated(runs, lambda: cpu([*OPENCLAUDE, "--help"], env)), "ms")
        idle: list[dict[str, float]] = []

        def first() -> float:
            spent = cold(env, idle)
            stop(env)
            return spent

        report("cold start, gateway included (CPU)", repeated(runs, first), "ms")
        cold(env, idle)
        try:
            report("warm launch (CPU)", repeated(runs, lambda: cpu([*OPENCLAUDE, "-p", "x"], env)), "ms")
        finally:
            stop(env)
        report("idle gateway, resident (RSS)", [figures["Rss"] for figures in idle], "MB")
        report("idle gateway, proportional (PSS)", [figures["Pss"] for figures in idle], "MB")


if __name__ == "__main__":
    main()
