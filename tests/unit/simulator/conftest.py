import pytest


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """The simulators run on the standard loop in a world, and on the product's loop beside it."""
    return ("asyncio", {"use_uvloop": request.param})
