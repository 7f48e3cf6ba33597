"""Fixtures every test may ask for."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.converse_check import NotConverseError
from support.every_request import watched
from support.product import Home, make_home


@pytest.fixture(scope="session")
def broken_requests() -> Iterator[list[NotConverseError]]:
    """What this process made for Bedrock that Bedrock would not read."""
    with watched() as broken:
        yield broken


@pytest.fixture(autouse=True)
def _every_request_to_bedrock_is_valid(broken_requests: list[NotConverseError]) -> Iterator[None]:
    broken_requests.clear()
    yield
    assert broken_requests == []


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The product runs on uvloop; tests that need an event loop run on the same kind."""
    return ("asyncio", {"use_uvloop": True})


@pytest.fixture
def canary() -> Callable[[str], str]:
    """Make a secret of a known shape at run time, so that no file holds one."""

    def make(prefix: str = "") -> str:
        return prefix + secrets.token_hex(24)

    return make


@pytest.fixture
def home(tmp_path: Path, canary: Callable[[str], str]) -> Home:
    """A user's home folder with a stored login."""
    return make_home(tmp_path / "home", canary("sk-ant-" + "oat01-"))
