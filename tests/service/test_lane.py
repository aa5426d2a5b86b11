"""The inference lane: deadline, shedding, and abandoned work that holds nothing up."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time

import pytest

from data_contracts.problems import XinglinError
from inference.service.lane import Lane


def code(error: BaseException) -> str:
    assert isinstance(error, XinglinError)
    return error.problem.type.rpartition(":")[2]


async def test_answers_and_errors_come_back() -> None:
    lane = Lane(queue=4, deadline=1)
    assert await lane.run(lambda: 3) == 3
    with pytest.raises(ValueError, match="no"):
        await lane.run(lambda: int("no"))
    assert await lane.run_each(lambda items: [2 * item for item in items], [1, 2, 3]) == [2, 4, 6]
    assert lane.waiting == 0
    lane.close()


async def test_deadline_sheds_and_recovers() -> None:
    lane = Lane(queue=2, deadline=0.1)
    hold = threading.Event()
    begun: list[int] = []
    slow = [asyncio.create_task(lane.run(lambda n=n: begun.append(n) or hold.wait(5))) for n in range(2)]  # type: ignore[misc]
    await asyncio.sleep(0.02)
    with pytest.raises(XinglinError) as shed:
        await lane.run(lambda: 1)
    assert code(shed.value) == "overloaded"
    began = time.perf_counter()
    for error in await asyncio.gather(*slow, return_exceptions=True):
        assert isinstance(error, XinglinError)
        assert code(error) == "deadline"
    assert time.perf_counter() - began < 1
    hold.set()
    while lane.waiting:
        await asyncio.sleep(0.01)
    assert begun == [0]  # what waited behind it was never begun
    assert await lane.run(lambda: 1) == 1
    lane.close()


async def test_a_batch_stops_where_its_caller_has_gone() -> None:
    lane = Lane(queue=2, deadline=0.1)
    done: list[int] = []

    def call(items: object) -> list[int]:
        time.sleep(0.04)
        done.append(1)
        return [1]

    with pytest.raises(XinglinError) as late:
        await lane.run_each(call, range(1000))
    assert code(late.value) == "deadline"
    while lane.waiting:
        await asyncio.sleep(0.01)
    assert len(done) < 10
    lane.close()


def test_abandoned_work_does_not_hold_up_the_end_of_the_process() -> None:
    script = (
        "import asyncio, time\n"
        "from inference.service.lane import Lane\n"
        "from data_contracts.problems import XinglinError\n"
        "async def main():\n"
        "    lane = Lane(queue=2, deadline=0.1)\n"
        "    try:\n"
        "        await lane.run(lambda: time.sleep(60))\n"
        "    except XinglinError as error:\n"
        "        print(error.problem.status)\n"
        "    lane.close()\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "504"
