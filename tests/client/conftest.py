"""Every test here runs the real client, or a stand-in for it, through the `openclaude` command."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from openclaude.launcher import daemon
from support.product import CLIENT, Home
from support.session import MISSING


@pytest.fixture(autouse=True)
def _the_real_client_is_there(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("client") and not CLIENT.exists():
        pytest.fail(MISSING)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository the user stands in."""
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def stopped(home: Home) -> Iterator[Home]:
    """A home whose gateway, however it was started, is stopped at the end."""
    yield home
    daemon.stop(home.state())
