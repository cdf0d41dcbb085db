"""Read a raw disk in blocks, several at a time, without its holes."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from ingot.build.sparse import data

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_CHUNK = 1 << 20
_BEGINNING = 1 << 14


def in_order(items: Iterable[_Item], work: Callable[[_Item], _Result]) -> Iterator[_Result]:
    """The results of `work` for each item, in order, made by all cores; a few ahead, never all."""
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Future[_Result]] = deque()
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) >= 4 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


class Disk:
    """An open raw disk; `size` is bytes."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self.size = path.stat().st_size

    def __enter__(self) -> "Disk":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, start: int, length: int) -> bytes:
        """Bytes of the disk; behind its end there are zeros."""
        return os.pread(self._file.fileno(), length, start).ljust(length, b"\0")

    def chunks(self, block: int) -> Iterator[tuple[int, int]]:
        """(start, length) in bytes of what is not a hole, in whole blocks, at most 1 MiB or one block at a time."""
        step, done = max(block, _CHUNK), 0
        for start, end in data(self._file.fileno()):
            # Two pieces of data may share a block.
            first = max(start // block * block, done)
            done = max(-(-end // block) * block, done)
            position = first
            while position < done:
                following = min(done, (position // step + 1) * step)
                yield position, following - position
                position = following

    def present(self, block: int) -> list[int]:
        """The numbers of the blocks that are not all zeros, in order; of most, the beginning says it."""
        beginning = bytes(min(block, _BEGINNING))
        nothing = bytes(block)

        def look(chunk: tuple[int, int]) -> list[int]:
            start, length = chunk
            return [
                position // block
                for position in range(start, start + length, block)
                if self.read(position, len(beginning)) != beginning or self.read(position, block) != nothing
            ]

        return [number for found in in_order(self.chunks(block), look) for number in found]

    def blocks(self, block: int) -> Iterator[tuple[int, bytes]]:
        """(number, content) of each block that is not all zeros, in order."""
        nothing = bytes(block)

        def read(chunk: tuple[int, int]) -> list[tuple[int, bytes]]:
            start, length = chunk
            content = self.read(start, length)
            pieces = ((start + at, content[at : at + block]) for at in range(0, length, block))
            return [(position // block, piece) for position, piece in pieces if piece != nothing]

        for found in in_order(self.chunks(block), read):
            yield from found
