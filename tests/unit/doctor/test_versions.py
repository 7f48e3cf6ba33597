import json
from pathlib import Path

import pytest

from openclaude.doctor.client import NEWEST, OLDEST

CLIENT = Path(__file__).resolve().parents[2] / "client"


def number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def installed(package: Path) -> tuple[int, ...]:
    """The one version of Claude Code that a package.json asks for."""
    return number(*json.loads(package.read_text())["dependencies"].values())


def test_the_newest_tested_client_is_the_one_the_tests_install() -> None:
    assert installed(CLIENT / "package.json") == NEWEST


def test_the_oldest_tested_client_is_the_oldest_of_the_earlier_ones_the_tests_install() -> None:
    earlier = {path.parent.name: installed(path) for path in CLIENT.glob("earlier/*/package.json")}
    assert len(earlier) == 2
    assert min(earlier.values()) == OLDEST
    assert max(earlier.values()) < NEWEST
    assert {number(name) for name in earlier} == set(earlier.values())


@pytest.mark.parametrize("lock", sorted(CLIENT.rglob("package-lock.json")), ids=lambda path: path.parent.name)
def test_every_file_of_a_client_is_locked_by_its_hash_and_has_no_address(lock: Path) -> None:
    own, *packages = json.loads(lock.read_text())["packages"].values()
    assert installed(lock.parent / "package.json") == number(*own["dependencies"].values())
    assert len(packages) > 1
    for package in packages:
        assert package["integrity"].startswith("sha512-")
        assert "resolved" not in package
