import pytest

from support.witness import ANTHROPIC, AWS, BEDROCK, ELSEWHERE, WITNESS


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """The simulators run on the standard loop in a world, and on the product's loop beside it."""
    return ("asyncio", {"use_uvloop": request.param})


@pytest.fixture(autouse=True)
def _the_simulators_are_talked_to_directly(_no_secret_is_where_it_must_not_be: None) -> None:
    """No product stands between these tests and the simulators: what they send arrives."""
    for sink in (ANTHROPIC, BEDROCK, AWS, ELSEWHERE):
        WITNESS.excuse(sink)
