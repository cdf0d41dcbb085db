"""The cache: made once, shared, safe against a kill, bounded."""

import hashlib
import json
import multiprocessing
import os
import random
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from ingot.build.cache import Cache, CachedFile, CacheEntry, Kind, entry_key
from ingot.build.packages.fetch import in_use, package_pool, without_damage
from ingot.build.soundness import this_boot


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


def test_who_waits_for_another_build_is_told(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_make_slowly, args=(tmp_path, tmp_path / "counter"))
    process.start()
    while not (tmp_path / "counter").exists():
        time.sleep(0.01)
    waited: list[str] = []
    with Cache(tmp_path, waited.append).entry("trees", "a title", {"n": 1}, _write):
        assert waited == ["a title"]
    with Cache(tmp_path, waited.append).entry("trees", "another", {"n": 1}, _write):
        assert waited == ["a title"]
    process.join()


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


def _write_disk(place: Path) -> None:
    (place / "disk.raw").write_bytes(b"data" * 10_000)
    (place / "disk.raw.clusters").write_text("not what it is", encoding="ascii")


@pytest.mark.parametrize("damage", ["truncated", "gone", "no description", "half a description"])
def test_what_is_damaged_is_noticed_and_made_again(tmp_path: Path, damage: str) -> None:
    cache, made = Cache(tmp_path), []

    def make(place: Path) -> None:
        made.append(place)
        _write_disk(place)

    with cache.entry("disks", "a title", {"n": 1}, make) as place:
        description = place.with_name("description.json")
        match damage:
            case "truncated":
                os.truncate(place / "disk.raw", 100)
            case "gone":
                (place / "disk.raw").unlink()
            case "no description":
                description.unlink()
            case _:
                os.truncate(description, 20)
    assert len(cache.entries()) == (0 if damage == "no description" else 1)
    with cache.entry("disks", "a title", {"n": 1}, make) as place:
        assert (place / "disk.raw").stat().st_size == 40_000
    assert len(made) == 2
    assert [entry.title for entry in cache.entries()] == ["a title"]


@pytest.mark.parametrize(("kind", "harm"), [("trees", False), ("trees", True), ("disks", True)])
def test_an_entry_of_an_earlier_boot_is_proved_before_it_is_used(tmp_path: Path, kind: Kind, harm: bool) -> None:
    """What was not on the disk when the machine lost its power may have any content, of the right length too."""
    cache, made = Cache(tmp_path), []

    def make(place: Path) -> None:
        made.append(place)
        if kind == "disks":
            _write_disk(place)
            return
        sums = place / "var/lib/dpkg/info/one.md5sums"
        sums.parent.mkdir(parents=True)
        (place / "file").write_bytes(b"content")
        sums.write_text(f"{hashlib.md5(b'content', usedforsecurity=False).hexdigest()}  file\n", encoding="ascii")

    with cache.entry(kind, "a title", {"n": 1}, make) as place:
        description = place.with_name("description.json")
        document = json.loads(description.read_bytes())
        description.write_text(json.dumps({**document, "boot": "an earlier one"}), encoding="utf-8")
        if harm and kind == "trees":
            (place / "file").write_bytes(bytes(7))
    with cache.entry(kind, "a title", {"n": 1}, make):
        pass
    assert len(made) == (2 if harm else 1)
    assert json.loads(description.read_bytes())["boot"] == this_boot()


def _package(root: Path, content: bytes) -> Path:
    pool = package_pool(root)
    pool.mkdir(parents=True, exist_ok=True)
    file = pool / f"{hashlib.sha256(content).hexdigest()}.deb"
    file.write_bytes(content)
    return file


def test_package_files_are_evicted_and_not_while_a_build_counts_on_them(tmp_path: Path) -> None:
    cache, file = Cache(tmp_path), _package(tmp_path, b"package")
    (package_pool(tmp_path) / "incoming-dead").mkdir()
    with in_use(tmp_path):
        assert cache.prune(0) == []
        assert [item.path for item in cache.files()] == [file]
    assert [item.path for item in cache.prune(0) if isinstance(item, CachedFile)] == [file]
    assert [path.name for path in package_pool(tmp_path).iterdir()] == ["lock"]


def test_damaged_package_files_are_found_and_removed(tmp_path: Path) -> None:
    good, bad = _package(tmp_path, b"good"), _package(tmp_path, b"bad")
    bad.write_bytes(b"bax")
    assert without_damage({good.stem: good, bad.stem: bad}) == [bad.stem]
    assert good.exists()
    assert not bad.exists()


def _work(root: Path, seed: int) -> None:
    dice, cache = random.Random(seed), Cache(root)  # noqa: S311 - to be repeated

    def make(number: int, place: Path) -> None:
        for part in range(20):
            (place / str(part)).write_text(f"{number}", encoding="ascii")

    while True:
        number = dice.randrange(3)
        if dice.random() < 0.2:
            cache.prune(0)
        with cache.entry("trees", "a title", {"n": number}, partial(make, number)) as place:
            assert sorted(int(file.name) for file in place.iterdir()) == list(range(20))
            assert {file.read_text(encoding="ascii") for file in place.iterdir()} == {str(number)}


def test_a_crowd_that_is_killed_at_any_point_leaves_nothing_half(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    dice = random.Random(1)  # noqa: S311 - to be repeated

    def start() -> multiprocessing.process.BaseProcess:
        process = context.Process(target=_work, args=(tmp_path, dice.randrange(1 << 30)), daemon=True)
        process.start()
        return process

    crowd = [start() for _ in range(4)]
    for _ in range(60):
        time.sleep(dice.random() * 0.03)
        index = dice.randrange(len(crowd))
        assert crowd[index].exitcode is None, "a worker failed on its own"
        os.kill(crowd[index].pid or 0, signal.SIGKILL)
        crowd[index].join()
        crowd[index] = start()
    for process in crowd:
        process.kill()
        process.join()
    cache = Cache(tmp_path)
    for entry in cache.entries():
        assert len(list(entry.content.iterdir())) == 20
    cache.prune(0)
    assert {path.suffix for path in (tmp_path / "trees").iterdir()} <= {".lock"}
