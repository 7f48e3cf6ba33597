"""The second thread: one job after the other, results and exceptions on the loop's own thread."""

import asyncio
import gc
import threading
from typing import Any

import pytest

from openclaude.domain.errors import ApiError
from openclaude.edge.worker import LARGE, ThreadWorker
from openclaude.wire import jsontext

pytestmark = pytest.mark.anyio


async def done(worker: ThreadWorker, size: int, work: Any) -> Any:
    """The result of a job, as the loop's thread gets it."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    threads = []

    def then(outcome: Any) -> None:
        threads.append(threading.current_thread())
        try:
            future.set_result(outcome())
        except ApiError as error:
            future.set_exception(error)

    worker.run(size, work, then)
    assert worker.busy
    try:
        return await future
    finally:
        assert threads == [threading.current_thread()]
        assert not worker.busy


@pytest.fixture
def reported() -> list[BaseException]:
    return []


@pytest.fixture
async def worker(reported):
    worker = ThreadWorker(reported.append)
    yield worker
    worker.close()


async def test_work_is_done_on_another_thread_and_its_result_comes_back(worker: ThreadWorker) -> None:
    assert await done(worker, 1, threading.current_thread) is not threading.current_thread()


async def test_two_jobs_never_run_at_the_same_time(worker: ThreadWorker) -> None:
    running = threading.Lock()

    def job() -> int:
        assert running.acquire(blocking=False)
        running.release()
        return 1

    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    order: list[int] = []
    for number in range(20):
        worker.run(1, job, lambda outcome, number=number: order.append(number * outcome()))
    worker.run(1, lambda: None, lambda outcome: future.set_result(outcome()))
    await future
    assert order == list(range(20))


async def test_an_error_for_the_client_is_raised_where_the_result_is_asked_for(
    worker: ThreadWorker, reported
) -> None:
    def refuse() -> None:
        raise ApiError(413, "request_too_large", "too large")

    with pytest.raises(ApiError) as caught:
        await done(worker, 1, refuse)
    assert caught.value.status == 413
    assert reported == []


async def test_any_other_exception_is_reported_and_becomes_an_internal_error(
    worker: ThreadWorker, reported
) -> None:
    with pytest.raises(ApiError) as caught:
        await done(worker, 1, lambda: {}["nothing"])
    assert caught.value.status == 500
    assert [type(error) for error in reported] == [KeyError]


async def test_a_large_job_reads_json_in_pieces_and_without_the_collector(worker: ThreadWorker) -> None:
    def seen() -> tuple[bool, bool]:
        return jsontext._IN_PIECES.get(), gc.isenabled()

    assert await done(worker, LARGE, seen) == (True, False)
    assert await done(worker, LARGE - 1, seen) == (False, True)
    assert gc.isenabled()
