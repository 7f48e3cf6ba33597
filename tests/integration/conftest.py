"""A stage for all tests of one worker: starting a gateway for each would be most of the time they take."""

from collections.abc import Iterator

import pytest

from support.staging import Stage, staged


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A gateway between both simulators, which keep every byte; at its end no credential may have crossed over."""
    with staged(tmp_path_factory.mktemp("stage") / "home") as running:
        yield running
