"""Fixtures every test may ask for."""

import secrets
from collections.abc import Callable

import pytest


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
