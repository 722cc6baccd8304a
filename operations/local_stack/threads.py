"""Calls that block, made from the event loop."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """As asyncio.to_thread, but nothing waits for the thread of a call that was given up."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def deliver(call: Callable[[], None]) -> None:
        if not answer.done():
            call()

    def run() -> None:
        try:
            result = work()
        except SystemExit as error:
            # Raised in the loop it would end this process before its parts.
            call = partial(answer.set_exception, RuntimeError(str(error)))
        except Exception as error:
            call = partial(answer.set_exception, error)
        else:
            call = partial(answer.set_result, result)
        # RuntimeError: the loop has closed meanwhile, so nobody waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(deliver, call)

    threading.Thread(target=run, daemon=True).start()
    return await answer
