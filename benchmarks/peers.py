"""Other builders at the tasks of `benchmarks/build.py`: the same packages and mirror, each with its own cache.

`cold` gives the bare tree or a disk; `more` starts from the peer's own cached tree and adds one package. A peer that
cannot run here says why.
"""

import os
import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from ingot.build.distributions import find_distribution
from ingot.build.packages.sources import sources_of

DEBIAN = find_distribution("Debian", "12", "x86_64")
PACKAGES = sorted({*DEBIAN.boot_packages, *DEBIAN.profile("Minimal").packages})
MORE = "nginx-light"
DISK_GB = 4


class Peer(ABC):
    """Another builder, working below a directory of its own."""

    name: str
    package: str

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def problem(self) -> str | None:
        """Why it cannot run here; None when it can."""
        if shutil.which(self.name) is None:
            return f"not installed (apt-get install {self.package})"
        return None if os.geteuid() == 0 else "it has to be root"

    @abstractmethod
    def cold(self) -> Sequence[str]:
        """The command that makes everything from packages, and fills its cache."""

    def more(self) -> Sequence[str] | None:
        """The command that adds one package to its cached tree; None where it has no cache."""
        return None

    def _file(self, name: str, content: str) -> str:
        file = self.directory / name
        file.write_text(content, encoding="utf-8")
        return os.fspath(file)


def tree_command() -> list[str]:
    """mmdebstrap with the packages, without the place to put the tree."""
    return ["mmdebstrap", "--quiet", "--variant=essential", f"--include={','.join(PACKAGES)}", DEBIAN.codename]


def _sources() -> list[str]:
    return [str(source) for source in sources_of(DEBIAN)]


class Mmdebstrap(Peer):
    """The bare tree as a tar archive: no disk, no boot loader."""

    name = package = "mmdebstrap"

    def cold(self) -> Sequence[str]:
        """The tree."""
        return [*tree_command(), os.fspath(self.directory / "tree.tar"), *_sources()]


class Debos(Peer):
    """A tree made by mmdebstrap, its own cached archive of it, and an ext4 file system.

    The file system is made from the tree, since its own partitioned images need a kernel that reads partition tables
    from loop devices: less work than a bootable disk.
    """

    name = package = "debos"

    def cold(self) -> Sequence[str]:
        """Tree, cache, file system."""
        words = "' '".join([*tree_command(), "-", *_sources()])
        return self._run(
            f"""
  - action: run
    command: "'{words}' > {self.directory}/tree.tar && tar -x -C $ROOTDIR -f {self.directory}/tree.tar"
"""
        )

    def more(self) -> Sequence[str]:
        """The cached tree, one package, file system."""
        return self._run(
            f"""
  - action: run
    command: "tar -x -C $ROOTDIR -f {self.directory}/tree.tar"
  - action: apt
    packages: [ {MORE} ]
"""
        )

    def _run(self, actions: str) -> Sequence[str]:
        disk = self.directory / "disk.img"
        make_disk = f"rm -f {disk} && truncate -s {DISK_GB}G {disk} && mke2fs -q -t ext4 -d $ROOTDIR {disk}"
        actions += f'  - action: run\n    command: "{make_disk}"\n'
        recipe = self._file("recipe.yaml", f"architecture: amd64\nactions:{actions}")
        return ["debos", "--disable-fakemachine", f"--artifactdir={self.directory}", recipe]


class Vmdb2(Peer):
    """A tree made by mmdebstrap on a partitioned disk, its own cached archive of it, and GRUB."""

    name = package = "vmdb2"

    def problem(self) -> str | None:
        """It maps partitions with the kernel's device mapper."""
        found = super().problem()
        if found is None and subprocess.run(["dmsetup", "info"], capture_output=True, check=False).returncode != 0:
            return "this kernel has no device mapper, which kpartx needs"
        return found

    def cold(self) -> Sequence[str]:
        """Tree, cache, disk."""
        (self.directory / "tree.tar").unlink(missing_ok=True)
        return self._run("")

    def more(self) -> Sequence[str]:
        """The cached tree, one package, disk."""
        return self._run(f"  - apt: install\n    packages: [ {MORE} ]\n    fs-tag: rootfs\n")

    def _run(self, steps: str) -> Sequence[str]:
        words = "' '".join([*tree_command(), "-", *_sources()])
        spec = f"""
steps:
  - mkimg: "{{{{ output }}}}"
    size: {DISK_GB}G
  - mklabel: msdos
    device: "{{{{ output }}}}"
  - mkpart: primary
    device: "{{{{ output }}}}"
    start: 1M
    end: 100%
    tag: rootfs
  - kpartx: "{{{{ output }}}}"
  - mkfs: ext4
    partition: rootfs
  - mount: rootfs
  - unpack-rootfs: rootfs
  - shell: "'{words}' | tar -x -C $ROOT"
    root-fs: rootfs
    unless: rootfs_unpacked
  - cache-rootfs: rootfs
    unless: rootfs_unpacked
{steps}  - grub: bios
    tag: rootfs
"""
        disk, tree = self.directory / "disk.img", self.directory / "tree.tar"
        return ["vmdb2", f"--output={disk}", f"--rootfs-tarball={tree}", self._file("spec.yaml", spec)]


class Mkosi(Peer):
    """A bootable disk of its own kind, with its own cache of the tree."""

    name = package = "mkosi"

    def problem(self) -> str | None:
        """It partitions a loop device."""
        return super().problem() or _no_partitions()

    def cold(self) -> Sequence[str]:
        """Tree, cache, disk."""
        return [
            "mkosi", f"--directory={self.directory}", "--distribution=debian", f"--release={DEBIAN.codename}",
            "--format=gpt_ext4", "--bootable", "--force", "--force", f"--package={','.join(PACKAGES)}", "build",
        ]  # fmt: skip


class Fai(Peer):
    """A bootable disk from FAI's own example configuration."""

    name, package = "fai-diskimage", "fai-server"

    def problem(self) -> str | None:
        """It partitions a loop device."""
        return super().problem() or _no_partitions()

    def cold(self) -> Sequence[str]:
        """Disk."""
        disk = os.fspath(self.directory / "disk.raw")
        return ["fai-diskimage", "-u", "host", f"-S{DISK_GB}G", "-c", "DEBIAN,AMD64,FAIBASE,GRUB_PC", disk]


class DiskImageBuilder(Peer):
    """A bootable disk of its own element for a minimal Debian."""

    name, package = "disk-image-create", "python3-diskimage-builder"

    def problem(self) -> str | None:
        """It maps partitions, too."""
        return super().problem() or _no_partitions()

    def cold(self) -> Sequence[str]:
        """Disk."""
        return ["disk-image-create", "-t", "raw", "-o", os.fspath(self.directory / "disk"), "debian-minimal", "vm"]


def _no_partitions() -> str | None:
    """Why a loop device's partitions cannot be had."""
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(8 << 20)
        subprocess.run(["sfdisk", "--quiet", file.name], input="start=2048\n", text=True, check=True)
        made = subprocess.run(
            ["losetup", "-P", "-f", "--show", file.name], capture_output=True, text=True, check=False
        )
        if made.returncode != 0:
            return f"no loop device: {made.stderr.strip()}"
        device = made.stdout.strip()
        try:
            return None if Path(f"{device}p1").exists() else "this kernel reads no partitions from loop devices"
        finally:
            subprocess.run(["losetup", "-d", device], check=False)


PEERS: tuple[type[Peer], ...] = (Mmdebstrap, Debos, Vmdb2, Mkosi, Fai, DiskImageBuilder)
