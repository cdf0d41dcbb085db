"""Threads of their own for what must not wait for those that all requests share, and must not hold them either."""

import anyio
from anyio.lowlevel import RunVar

Threads = RunVar[anyio.CapacityLimiter]


def limiter_of(threads: Threads, number: int) -> anyio.CapacityLimiter:
    """The limiter of this event loop for so many threads of a kind."""
    try:
        return threads.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(number)
        threads.set(limiter)
        return limiter
