"""Fixtures every test may ask for."""

import secrets
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from support.converse_check import NotConverseError
from support.every_request import watched
from support.product import Home, make_home
from support.witness import WITNESS

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


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


@pytest.fixture(scope="session")
def _witnessing() -> Iterator[None]:
    with WITNESS.watching():
        yield


@pytest.fixture(autouse=True)
def _no_secret_is_where_it_must_not_be(_witnessing: None) -> Iterator[None]:
    WITNESS.begin()
    yield
    assert WITNESS.end() == []


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The product runs on uvloop; tests that need an event loop run on the same kind."""
    return ("asyncio", {"use_uvloop": True})


@pytest.fixture
def canary() -> Callable[..., str]:
    """Make a secret of a known shape at run time, so that no file holds one.

    `reaches` names the places of support.witness at which it may be seen; what begins like an Anthropic key may be at
    Anthropic.
    """

    def make(prefix: str = "", reaches: Collection[str] | None = None) -> str:
        usual = ("anthropic",) if prefix.startswith("sk-ant-") else ()
        return WITNESS.plant(prefix + secrets.token_hex(24), usual if reaches is None else reaches)

    return make


@pytest.fixture
def home(tmp_path: Path, canary: Callable[[str], str]) -> Home:
    """A user's home folder with a stored login."""
    return make_home(tmp_path / "home", canary("sk-ant-" + "oat01-"))
