"""The inference lane: one worker thread, a bounded queue, a deadline. Health never waits in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from data_contracts.problems import XinglinError

T = TypeVar("T")


class Lane:
    """Runs blocking work off the event loop, sheds what would wait too long."""

    def __init__(self, *, queue: int, deadline: float, workers: int = 1) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="inference")
        self._queue = queue
        self.deadline = deadline
        self.waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`, within the deadline.

        Raises:
            XinglinError: `overloaded` where the queue is full, `deadline` where the answer takes too long.
        """
        if self.waiting >= self._queue:
            raise XinglinError("overloaded")
        self.waiting += 1
        abandoned = False

        def guarded() -> T:
            # work whose caller has gone is not begun, so that a full queue drains at once
            if abandoned:
                raise XinglinError("deadline")
            return work()

        future = asyncio.get_running_loop().run_in_executor(self._pool, guarded)
        future.add_done_callback(self._done)
        try:
            return await asyncio.wait_for(asyncio.shield(future), self.deadline)
        except TimeoutError as error:
            abandoned = True
            raise XinglinError("deadline") from error

    def _done(self, future: asyncio.Future[T]) -> None:
        self.waiting -= 1
        if not future.cancelled():
            future.exception()  # an abandoned failure is read here, so that it is not reported as never retrieved

    def close(self) -> None:
        """Let running work end and take no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
