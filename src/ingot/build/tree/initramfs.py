"""The initial RAM disk of each kernel in a tree."""

from collections.abc import Mapping
from pathlib import Path

from ingot.build.errors import BuildError
from ingot.build.sandbox import run_in_tree
from ingot.build.tree import files


def kernels(tree: Path) -> list[str]:
    """The versions of the kernels in a tree, newest last."""
    return sorted(path.name.removeprefix("vmlinuz-") for path in (tree / "boot").glob("vmlinuz-*"))


def concerns_initramfs(layer: Path) -> bool:
    """Whether a layer of added packages brings what an initial RAM disk is made of."""
    patterns = (
        "boot/vmlinuz-*",
        "usr/lib/modules/*",
        "lib/modules/*",
        "usr/share/initramfs-tools/*",
        "etc/initramfs-tools/*",
    )
    return any(next(layer.glob(pattern), None) is not None for pattern in patterns)


def make_initramfs(tree: Path, env: Mapping[str, str], log: Path) -> None:
    """Make the initial RAM disk of every kernel with the distribution's own generator.

    It holds whatever the packages bring and nothing of one machine: no swap to resume from.
    """
    versions = kernels(tree)
    if not versions:
        raise BuildError("The image has no kernel: add a kernel package such as linux-image-amd64.")
    files.write(tree, "/etc/initramfs-tools/conf.d/resume", "RESUME=none\n")
    for version in versions:
        files.remove(tree, f"/boot/initrd.img-{version}")
        run_in_tree(tree, ["update-initramfs", "-c", "-k", version], env=env, log=log)
