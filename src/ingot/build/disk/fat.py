"""Make a FAT file system with a tree in it, the same bytes for the same tree."""

import os
import stat
from pathlib import Path

from ingot.build.disk.layout import Volume
from ingot.build.errors import BuildError
from ingot.build.sandbox import run_unsynced

_WIDTHS = {"fat16": ["-F", "16"], "fat32": ["-F", "32"]}


def make_fat(file: Path, volume: Volume, tree: Path, epoch: int, log: Path) -> None:
    """Fill a file of the volume's size with the file system. Raises BuildError for links and devices."""
    env = {"SOURCE_DATE_EPOCH": str(epoch), "MTOOLS_SKIP_CHECK": "1"}
    width = _WIDTHS.get(volume.fstype, [])
    label = ["-n", volume.label[:11].upper()] if volume.label else []
    run_unsynced(["mkfs.vfat", "--invariant", *width, "-i", f"{volume.serial:08x}", *label, file], env=env, log=log)
    for directory, names, file_names in os.walk(tree):
        names.sort()
        inside = Path("/") / Path(directory).relative_to(tree)
        for name in names:
            run_unsynced(["mmd", "-i", file, f"::{inside / name}"], env=env, log=log)
        for name in sorted(file_names):
            source = Path(directory) / name
            if not stat.S_ISREG(source.lstat().st_mode):
                raise BuildError(
                    f"{volume.mount_point}{inside / name} is a link or device, and {volume.fstype} has none: "
                    f"choose ext4 for {volume.name}."
                )
            os.utime(source, (epoch, epoch))
            run_unsynced(["mcopy", "-m", "-i", file, source, f"::{inside / name}"], env=env, log=log)
