"""What is not loaded: the causes of a quick start and a small gateway. `tools/start_cost.py` measures the effects."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.house import House, housed
from support.patience import DEADLINE
from support.staging import Stage

HEAVY = frozenset({"asyncio", "botocore", "cryptography", "httptools", "msgspec", "ssl", "uvloop"})
"""What neither a help text nor the launch of a client needs."""
LAUNCH = HEAVY - {"ssl"}
"""A launch shakes hands with the gateway: that is how it knows that it is ours."""
ONLY_BEDROCK = frozenset({"botocore", "cryptography", "urllib3"})
"""What a gateway needs for its first Bedrock request and not before."""

pytestmark = pytest.mark.xdist_group("start-cost")


@pytest.fixture
def house(tmp_path: Path, canary: Callable[[str], str]) -> Iterator[House]:
    with housed(tmp_path / "home", canary("sk-ant-" + "oat01-")) as made:
        yield made


def imported(arguments: list[str], env: dict[str, str]) -> set[str]:
    """The top-level modules that `openclaude ARGUMENTS` imports, as the interpreter itself reports them."""
    done = subprocess.run(
        [sys.executable, "-P", "-X", "importtime", "-m", "openclaude", *arguments],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode in {0, 3}, done.stderr
    return top_level(done.stderr)


def top_level(report: str) -> set[str]:
    lines = [line for line in report.splitlines() if line.startswith("import time:")]
    assert len(lines) > 20
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["status"], ["env", "--help"], ["routes"], ["config", "path"]],
    ids=" ".join,
)
def test_a_small_command_loads_nothing_heavy(house: House, arguments: list[str]) -> None:
    loaded = imported(arguments, house.home.env)
    assert "openclaude" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("state", ["cold", "warm"])
def test_launching_a_client_loads_nothing_heavy(house: House, state: str) -> None:
    house.start()  # the certificates are made once in two months
    if state == "cold":
        house.run("stop")
    record = house.home.path / "record.json"
    env = {**house.home.env, "FAKE_CLAUDE_RECORD": str(record), "AWS_EC2_METADATA_DISABLED": "true"}
    loaded = imported(["-p", "task"], env)
    assert record.exists()
    assert "openclaude" in loaded
    assert loaded & LAUNCH == set()


def test_a_gateway_that_only_relays_loads_nothing_of_aws(house: House) -> None:
    house.start()
    house.run("stop")
    process = subprocess.Popen(
        [
            sys.executable,
            "-P",
            "-X",
            "importtime",
            "-m",
            "openclaude",
            "serve",
            "--config",
            str(house.state / "config.toml"),
        ],
        env=house.home.env,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if "the gateway listens on" in line:
            break
    assert house.run("stop").returncode == 0
    said.append(process.stderr.read())
    process.stderr.close()
    assert process.wait(DEADLINE) == 0
    loaded = top_level("".join(said))
    assert {"asyncio", "uvloop", "httptools"} <= loaded
    assert loaded & ONLY_BEDROCK == set()


def test_no_simulator_and_no_demo_is_loaded_by_the_product(house: House) -> None:
    program = (
        "import sys, openclaude.wiring, openclaude.cli.launch, openclaude.cli.serve\n"
        "print([name for name in sys.modules if name.startswith(('openclaude.simulator', 'openclaude.demo'))])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_first_bedrock_request_of_a_relaying_gateway_still_works(stage: Stage) -> None:
    """What is loaded late is loaded all the same."""
    from openclaude.simulator.script import say  # noqa: PLC0415

    for _ in range(2):
        assert stage.play("bedrock", lambda _: say("late"), stream=False).status == 200
