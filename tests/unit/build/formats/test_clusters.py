"""Compressed clusters that are used again: they spare work and change nothing."""

import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from ingot.build.formats import clusters
from ingot.build.formats.clusters import CLUSTER, Known, Packed, pack, problem, record, recorded
from ingot.build.formats.qcow2 import write_qcow2

_SIZE = 40 * CLUSTER + 4096


def _disk(file: Path, seeds: Iterable[int]) -> Path:
    """A disk whose clusters are text, noise or nothing, each by its seed."""
    with file.open("wb") as disk:
        disk.truncate(_SIZE)
        for number, seed in enumerate(seeds):
            numbers = random.Random(seed)  # noqa: S311 - the same each time
            disk.seek(number * CLUSTER)
            if seed % 5 == 1:
                disk.write(numbers.randbytes(CLUSTER))
            elif seed % 5 > 1:
                disk.write(b" ".join(str(numbers.random()).encode() for _ in range(1000)))
    return file


def _packed(raw: Path, place: Path) -> Path:
    place.mkdir()
    parts: list[float] = []
    pack(raw, record(raw), place, parts.append)
    assert parts == sorted(parts)
    return place


def test_an_image_is_the_same_whatever_is_known_of_its_clusters(tmp_path: Path) -> None:
    raw = _disk(tmp_path / "raw", range(35))
    like = _disk(tmp_path / "like", [*range(10), *range(100, 110), *range(20, 40)])
    write_qcow2(raw, tmp_path / "plain", compress=True)
    for number, other in enumerate((raw, like, _disk(tmp_path / "other", range(200, 230)))):
        with Packed(_packed(other, tmp_path / f"packed-{number}")) as packed:
            output = tmp_path / f"{number}.qcow2"
            write_qcow2(raw, output, compress=True, known=Known(record(raw), packed))
            assert output.read_bytes() == (tmp_path / "plain").read_bytes()


def test_what_is_known_is_not_compressed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = _disk(tmp_path / "raw", range(35))
    like = _disk(tmp_path / "like", [*range(10), *range(100, 110), *range(20, 40)])
    place = _packed(raw, tmp_path / "packed")
    compressed: list[bytes] = []
    compress = clusters.compress

    def counted(content: bytes) -> bytes:
        compressed.append(content)
        return compress(content)

    monkeypatch.setattr(clusters, "compress", counted)
    with Packed(place) as packed:
        write_qcow2(raw, tmp_path / "0.qcow2", compress=True, known=Known(record(raw), packed))
        assert compressed == []
        write_qcow2(like, tmp_path / "1.qcow2", compress=True, known=Known(record(like), packed))
    # Of its new clusters, those that are not zeros.
    assert len(compressed) == 8 + 4


def test_a_record_tells_of_content_not_of_holes(tmp_path: Path) -> None:
    raw = _disk(tmp_path / "raw", range(35))
    solid = tmp_path / "solid"
    solid.write_bytes(raw.read_bytes())
    assert record(solid) == record(raw)
    assert [number for number, _ in recorded(record(raw))] == [number for number in range(35) if number % 5]
    with solid.open("r+b") as file:
        file.truncate(_SIZE + CLUSTER)
    assert record(solid) != record(raw)


def test_damage_is_found(tmp_path: Path) -> None:
    place = _packed(_disk(tmp_path / "raw", range(35)), tmp_path / "packed")
    assert problem(place) is None
    content = bytearray((place / "packed").read_bytes())
    content[len(content) // 2] ^= 0x10
    (place / "packed").write_bytes(content)
    assert problem(place)
    (place / "packed").write_bytes(content[:1000])
    assert problem(place)
    (place / "index").unlink()
    assert "cannot be read" in str(problem(place))
