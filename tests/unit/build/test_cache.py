"""The cache: made once, shared, safe against a kill, bounded."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from ingot.build.cache import Cache, CacheEntry, entry_key


def _write(tree: Path) -> None:
    (tree / "file").write_bytes(b"x" * 100_000)


def test_a_layer_is_made_once_and_then_used(tmp_path: Path) -> None:
    cache, made = Cache(tmp_path), []

    def make(tree: Path) -> None:
        made.append(tree)
        _write(tree)

    for _ in range(3):
        with cache.entry("trees", "a title", {"packages": ["a"]}, make) as tree:
            assert (tree / "file").stat().st_size == 100_000
    assert len(made) == 1
    with cache.entry("trees", "a title", {"packages": ["b"]}, make):
        assert len(made) == 2
    assert [layer.description for layer in cache.entries()] == [{"packages": ["a"]}, {"packages": ["b"]}]


def test_the_key_depends_on_the_content_and_not_on_its_order() -> None:
    assert entry_key({"a": 1, "b": [1, 2]}) == entry_key({"b": [1, 2], "a": 1})
    assert entry_key({"a": 1, "b": [1, 2]}) != entry_key({"a": 1, "b": [2, 1]})


def test_a_layer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def fail(tree: Path) -> None:
        _write(tree)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"), cache.entry("trees", "a title", {"n": 1}, fail):
        pass
    assert cache.entries() == []
    assert [path.suffix for path in (cache.root / "trees").iterdir()] == [".lock"]


def _make_slowly(root: Path, counter: Path) -> None:
    def make(tree: Path) -> None:
        with counter.open("a", encoding="ascii") as file:
            file.write("made\n")
        time.sleep(0.3)
        _write(tree)

    with Cache(root).entry("trees", "a title", {"n": 1}, make) as tree:
        assert (tree / "file").exists()


def test_who_wants_the_same_layer_at_once_waits_for_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    counter = tmp_path / "counter"
    processes = [context.Process(target=_make_slowly, args=(tmp_path, counter)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert counter.read_text(encoding="ascii") == "made\n"


def _hang(root: Path, ready: Path) -> None:
    def make(tree: Path) -> None:
        _write(tree)
        ready.touch()
        time.sleep(60)

    with Cache(root).entry("trees", "a title", {"n": 1}, make):
        pass


def test_a_maker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = tmp_path / "ready"
    process = context.Process(target=_hang, args=(tmp_path, ready))
    process.start()
    while not ready.exists():
        time.sleep(0.01)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    cache = Cache(tmp_path)
    assert cache.entries() == []
    with cache.entry("trees", "a title", {"n": 1}, _write) as tree:
        assert (tree / "file").exists()
    assert not list(cache.root.glob("trees/*.staging"))


def test_the_least_recently_used_go_first_and_none_in_use(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for number in range(3):
        with cache.entry("trees", "a title", {"n": number}, _write):
            pass
        os.utime(cache.root / "trees" / entry_key({"n": number}), (number, number))
    with cache.entry("trees", "a title", {"n": 0}, _write):
        os.utime(cache.root / "trees" / entry_key({"n": 0}), (0, 0))
        removed = cache.prune(150_000)
        assert [layer.description["n"] for layer in removed if isinstance(layer, CacheEntry)] == [1, 2]
    assert [layer.description["n"] for layer in cache.entries()] == [0]
    assert cache.prune(150_000) == []
