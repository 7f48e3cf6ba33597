import json
from pathlib import Path

from openclaude.doctor.client import NEWEST, OLDEST


def test_the_newest_tested_client_is_the_one_the_tests_install() -> None:
    package = Path(__file__).resolve().parents[2] / "client" / "package.json"
    [version] = json.loads(package.read_text())["dependencies"].values()
    assert ".".join(map(str, NEWEST)) == version
    assert OLDEST <= NEWEST
