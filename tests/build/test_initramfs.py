"""The initial RAM disk is made faster than by the distribution's own functions, and is the same."""

import filecmp
from collections.abc import Callable
from pathlib import Path

import pytest

from ingot.build import namespace
from ingot.build.cache import Cache
from ingot.build.sandbox import run_in_tree
from ingot.build.tree import initramfs
from tests.build.conftest import BuiltImage

pytestmark = pytest.mark.build


@pytest.mark.parametrize(
    ("version", "copies_at_once"), [("12", False), pytest.param("13", True, marks=pytest.mark.slow)]
)
def test_our_initial_ram_disk_is_the_distributions_own(
    images: Callable[[str], BuiltImage], cache: Path, tmp_path: Path, version: str, copies_at_once: bool
) -> None:
    images(version)  # leaves its base tree in the cache
    base = next(
        entry
        for entry in Cache(cache).entries()
        if entry.kind == "trees"
        and entry.description["parent"] is None
        and entry.description["distribution"] == f"Debian {version} x86_64"
        and list(entry.content.glob("boot/vmlinuz-*"))
    )
    for name in ("upper", "work", "tree"):
        (tmp_path / name).mkdir()
    tree = tmp_path / "tree"

    def make_both() -> int:
        namespace.mount_overlay([base.content], tmp_path / "upper", tmp_path / "work", tree)
        kernel = initramfs.kernels(tree)[-1]
        faster = initramfs.faster_functions(tree)
        assert bool(faster) is not copies_at_once
        for name, binds in (("ours", faster), ("original", [])):
            command = ["mkinitramfs", "-o", f"/boot/{name}", kernel]
            run_in_tree(tree, command, binds=binds, env={"SOURCE_DATE_EPOCH": "1700000000"})
        return 0 if filecmp.cmp(tree / "boot/ours", tree / "boot/original", shallow=False) else 3

    assert namespace.call(make_both) == 0
