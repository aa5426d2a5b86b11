"""The inference lane: worker threads, a bounded queue, a deadline. Health never waits in it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

from data_contracts.problems import XinglinError

T = TypeVar("T")


class Lane:
    """Runs blocking work off the event loop, sheds what would wait too long.

    The workers are daemon threads: work that outlived its deadline is abandoned and never holds up the end of the process.
    """

    def __init__(self, *, queue: int, deadline: float, workers: int = 1) -> None:
        self._queue = queue
        self._workers = workers
        self._work: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self.deadline = deadline
        self.waiting = 0
        for number in range(workers):
            threading.Thread(target=self._serve, name=f"inference-{number}", daemon=True).start()

    def _serve(self) -> None:
        while (taken := self._work.get()) is not None:
            future, work = taken
            # work whose caller has gone is not begun, so that a full queue drains at once
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as error:  # handed to the caller, who decides
                    future.set_exception(error)
            with self._lock:
                self.waiting -= 1

    async def run(self, work: Callable[[], T], *, deadline: float | None = None) -> T:
        """The result of `work`, within `deadline` seconds (the lane's own where None; infinity waits as long as it takes).

        Raises:
            XinglinError: `overloaded` where the queue is full, `deadline` where the answer takes too long.
        """
        with self._lock:
            if self.waiting >= self._queue:
                raise XinglinError("overloaded")
            self.waiting += 1
        future: Future[T] = Future()
        self._work.put((future, work))
        seconds = self.deadline if deadline is None else deadline
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), None if seconds == float("inf") else seconds)
        except TimeoutError as error:
            raise XinglinError("deadline") from error

    async def run_each(self, call: Callable[[Sequence[Any]], Sequence[T]], items: Sequence[Any]) -> list[T]:
        """The answers of `call` to all items within the deadline, one item a call; what is left when it passes is not begun.

        Raises:
            XinglinError: as `run` does.
        """
        gone = threading.Event()

        def work() -> list[T]:
            answers: list[T] = []
            for item in items:
                if gone.is_set():
                    raise XinglinError("deadline")
                answers.extend(call([item]))
            return answers

        try:
            return await self.run(work)
        finally:
            gone.set()

    def close(self) -> None:
        """Take no more work; what runs is left to end by itself."""
        for _ in range(self._workers):
            self._work.put(None)
