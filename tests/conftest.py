"""Fixtures every test may ask for."""

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from support.product import Home, make_home


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
