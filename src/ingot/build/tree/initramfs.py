"""The initial RAM disk of each kernel in a tree."""

import re
from collections.abc import Mapping
from pathlib import Path

from ingot.build.errors import BuildError
from ingot.build.sandbox import run_in_tree
from ingot.build.tree import files

_FUNCTIONS = "/usr/share/initramfs-tools/hook-functions"
_FASTER_FUNCTIONS = Path(__file__).parent / "tools" / "hook-functions.sh"
#: What our functions take the place of, and what they call.
_EXPECTED = ("manual_add_modules()", "add_firmware()")
#: Newer generators collect the modules and copy them all at once themselves.
_COPIES_AT_ONCE = "apply_add_modules()"


def kernels(tree: Path) -> list[str]:
    """The versions of the kernels in a tree, newest last."""
    versions = [path.name.removeprefix("vmlinuz-") for path in (tree / "boot").glob("vmlinuz-*")]
    # Numbers by their value: 6.1.0-10 is newer than 6.1.0-9.
    return sorted(versions, key=lambda version: [int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", version)])


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
    binds = faster_functions(tree)
    for version in versions:
        files.remove(tree, f"/boot/initrd.img-{version}")
        run_in_tree(tree, ["update-initramfs", "-c", "-k", version], binds=binds, env=env, log=log)


def faster_functions(tree: Path) -> list[tuple[Path, str]]:
    """Binds that have the generator copy modules in batches; none where it does so itself or we do not know it."""
    original = files.inside(tree, _FUNCTIONS)
    text = original.read_text(encoding="utf-8") if original.is_file() else ""
    if _COPIES_AT_ONCE in text or any(name not in text for name in _EXPECTED):
        return []
    return [(original, "/run/ingot/hook-functions"), (_FASTER_FUNCTIONS, _FUNCTIONS)]
