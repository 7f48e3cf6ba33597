"""openClaude under test: the product as its users run it, with everything on.

Routing, the policy of credentials, strict heads, the egress wall, metering and the log are the production ones, because it is
`openclaude serve` that runs: a supervisor and its worker. On the rows with TLS its own flags `--connect-to` and `--ca-file`
lead it to the upstream of the benchmark. The rows with plain HTTP need `plain.py`, since the product has no switch for that.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from benchmarks import installing
from benchmarks.kinds import Place, Program, Way
from benchmarks.paths import ROOT
from benchmarks.programs import PROVIDERS

OPENCLAUDE: Final = (sys.executable, "-P", "-m", "openclaude")
LOGIN: Final = "Authorization: Bearer invented-login-of-the-benchmark"
_AWS: Final = {
    "AWS_ACCESS_KEY_ID": "benchmark",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_CONFIG: Final = """\
[gateway]
port = {port}

[slots]
haiku = "qwen-3-coder"

[[routes]]
match = "claude-*"
to    = "anthropic"

[[routes]]
match  = "qwen-3-coder"
to     = "bedrock"
model  = "qwen.qwen3-coder-next"
region = "us-west-2"
"""


def configuration(port: int) -> str:
    """The default routes on a port."""
    return _CONFIG.format(port=port)


def program(place: Place) -> Program:
    """`openclaude serve` with the default routes, in a state folder of its own."""
    place.write(".openClaude/config.toml", configuration(place.port))
    (place.folder / ".openClaude").chmod(0o700)
    redirected = [
        word for name in PROVIDERS for word in ("--connect-to", f"{name}:443=127.0.0.1:{place.upstream_port}")
    ]
    command = [*OPENCLAUDE, "serve", *redirected]
    if place.mode == "http":
        command = [sys.executable, "-P", "-m", "benchmarks.plain", "serve", *redirected]
    else:
        command += ["--ca-file", str(place.certificates.authority)]
    env = {**_AWS, "PYTHONPATH": str(ROOT)} if place.mode == "http" else _AWS
    return Program(command, env=env, headers=[LOGIN], way=partial(way, place))


def way(place: Place) -> Way:
    """As `openclaude env` says: mutual TLS, or the plain door with its secret path."""
    told = _told(place.folder, [] if place.mode == "mutual" else ["--http"])
    base = urlsplit(told["ANTHROPIC_BASE_URL"])
    assert base.port is not None
    target = f"{base.path.rstrip('/')}/v1/messages"
    if place.mode != "mutual":
        return Way(base.port, target)
    return Way(
        base.port,
        target,
        authority=Path(told["NODE_EXTRA_CA_CERTS"]),
        certificate=Path(told["CLAUDE_CODE_CLIENT_CERT"]),
        key=Path(told["CLAUDE_CODE_CLIENT_KEY"]),
    )


def _told(home: Path, flags: list[str]) -> Mapping[str, str]:
    done = subprocess.run(
        [*OPENCLAUDE, "env", "--json", *flags],
        env={"HOME": str(home), "PATH": os.defpath, **_AWS},
        capture_output=True,
        text=True,
        check=True,
    )
    told: dict[str, str] = json.loads(done.stdout)
    return told


def size() -> int:
    """Bytes of the product and of what it brings along."""
    locked = (ROOT / "requirements" / "runtime.txt").read_text().splitlines()
    names = [line.partition("==")[0] for line in locked if "==" in line and not line.startswith(("#", " "))]
    return installing.size_of(*(ROOT / "src" / "openclaude").rglob("*.py")) + installing.distributions_size(
        names
    )
