"""Media that machines start from: an ISO that runs the image or installs it, and the files for starting by network.

Both carry the machine's raw disk, compressed, and the machine's own kernel. To its initial RAM disk comes what finds
the disk and runs the system from it without writing to it; the installer writes that same disk, byte by byte.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ingot.build.distributions import Distribution, find_distribution
from ingot.build.errors import BuildError
from ingot.build.families import Kernel, family_of
from ingot.build.formats.base import Source
from ingot.build.run import require, run
from ingot.build.sandbox import run_in_tree
from ingot.build.tree import files

_SCRIPTS = Path(__file__).parent / "live_system"
_MODULES = ("loop", "squashfs", "overlay", "isofs", "sr_mod", "cdrom")
_PROGRAMS = ("/usr/bin/mount", "/usr/sbin/losetup")
_GRUB_MODULES = (
    "biosdisk", "iso9660", "part_gpt", "part_msdos", "search_fs_file", "configfile", "normal", "echo", "linux",
    "serial", "terminal", "gzio",
)  # fmt: skip
_MIB = 1 << 20
_CONSOLES = "console=tty0 console=ttyS0,115200"
_MENU = """\
set default={default}
set timeout=5
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
menuentry 'Run {title} without installing it' --hotkey=r {{
    linux /ingot/vmlinuz boot=ingot {parameters}
    initrd /ingot/initrd.img
}}
menuentry 'Install {title} to the first disk, which is erased' --hotkey=i {{
    linux /ingot/vmlinuz boot=ingot ingot.install=auto {parameters}
    initrd /ingot/initrd.img
}}
menuentry 'Start from the disk' --hotkey=d {{
    exit
}}
"""
_IPXE = """\
#!ipxe
kernel vmlinuz initrd=initrd.magic boot=ingot {parameters}
initrd initrd.img
initrd root.squashfs /ingot/root.squashfs
boot
"""


def write_iso(source: Source, output: Path) -> None:
    """Write an image for CDs and USB sticks that starts with BIOS and with UEFI."""
    require("xorriso", "xorriso")
    tree = source.files()
    distribution = _distribution(source)
    if distribution.architecture.grub_bios is None:
        raise BuildError(f"An ISO for {distribution.arch} is not possible yet. Use raw or qcow2.")
    root, identifier = source.work / "iso", _identifier(source)
    (root / "ingot").mkdir(parents=True)
    (root / "boot/grub").mkdir(parents=True)
    _write_system(source, root / "ingot")
    (root / "ingot" / identifier).write_text(f"{source.template.name} {source.template.version}\n", encoding="utf-8")
    title = re.sub(r"[^\w .+-]", " ", f"{source.template.name} {source.template.version}")
    menu = _MENU.format(title=title, default=1 if source.options.install else 0, parameters=_parameters(source))
    (root / "boot/grub/grub.cfg").write_text(menu, encoding="utf-8")
    early = f"search --no-floppy --file --set=root /ingot/{identifier}\nset prefix=($root)/boot/grub\n"
    (root / "boot/grub/eltorito.img").write_bytes(_bios_loader(tree, early, source.log))
    efi = source.work / "efi.img"
    _write_efi(source, efi, f"{early}configfile $prefix/grub.cfg\n")
    run(
        [
            "xorriso", "-as", "mkisofs", "-quiet", "-o", output, "-V", _volume_name(source), "-r", "-J",
            "-joliet-long", "-b", "boot/grub/eltorito.img", "-no-emul-boot", "-boot-load-size", "4",
            "-boot-info-table", "--grub2-boot-info",
            "--grub2-mbr", tree / "usr/lib/grub/i386-pc/boot_hybrid.img",
            "-append_partition", "2", "0xef", efi, "-appended_part_as_gpt",
            "-eltorito-alt-boot", "-e", "--interval:appended_partition_2:all::", "-no-emul-boot",
            "-partition_offset", "16", root,
        ],
        env={"SOURCE_DATE_EPOCH": str(source.epoch)},
        log=source.log,
    )  # fmt: skip


def write_pxe(source: Source, output: Path) -> None:
    """Write the files that a machine starts from by network: iPXE runs boot.ipxe, which fetches the others."""
    _write_system(source, output)
    (output / "boot.ipxe").write_text(_IPXE.format(parameters=_parameters(source)), encoding="ascii")


def _parameters(source: Source) -> str:
    return " ".join((*source.template.installation.kernel_params, _CONSOLES))


def _identifier(source: Source) -> str:
    return str(source.identities.uuid("live system"))


def _volume_name(source: Source) -> str:
    return re.sub(r"[^A-Z0-9_]+", "_", source.name.upper())[:32]


def _distribution(source: Source) -> Distribution:
    system = source.template.os
    return find_distribution(system.name, system.version, system.arch)


def _write_system(source: Source, directory: Path) -> None:
    """Write kernel, initial RAM disk and the compressed disk."""
    require("mksquashfs", "squashfs-tools")
    tree = source.files()
    partitioning = source.template.installation.partitioning
    if partitioning is not None and partitioning.logical_volumes:
        raise BuildError("A live system cannot run from logical volumes: leave them out for this format.")
    kernel = _newest_kernel(source)
    (directory / "vmlinuz").write_bytes(files.inside(tree, kernel.image).read_bytes())
    initrd = files.inside(tree, kernel.initramfs).read_bytes()
    with (directory / "initrd.img").open("wb") as file:
        file.write(initrd + bytes(-len(initrd) % 4))
        for part in _additions(source, kernel):
            file.write(part)
    squashfs = directory / "root.squashfs"
    staging = source.work / "disk"
    staging.mkdir()
    # Under its own name, whatever the disk is called in the cache; the file system's root has nothing else.
    os.link(source.disk, staging / "disk.raw") if _same_device(source.disk, staging) else _clone(source, staging)
    run(
        [
            "mksquashfs", staging, squashfs, "-noappend", "-quiet", "-no-progress", "-no-xattrs", "-all-root",
            "-comp", "zstd", "-Xcompression-level", "6", "-b", "256K", "-processors", str(os.cpu_count() or 1),
            "-mkfs-time", str(source.epoch), "-all-time", str(source.epoch),
        ],
        log=source.log,
    )  # fmt: skip


def _same_device(one: Path, other: Path) -> bool:
    return one.stat().st_dev == other.stat().st_dev


def _clone(source: Source, staging: Path) -> None:
    run(["cp", "--reflink=auto", "--sparse=always", source.disk, staging / "disk.raw"], log=source.log)


def _newest_kernel(source: Source) -> Kernel:
    kernels = family_of(_distribution(source)).kernels(source.files())
    if not kernels:
        raise BuildError("The image has no kernel: add a kernel package of the distribution.")
    return kernels[-1]


def _additions(source: Source, kernel: Kernel) -> Iterator[bytes]:
    """A second archive for the initial RAM disk: modules, two programs with their libraries, and our scripts."""
    tree = source.files()
    if not files.inside(tree, "/usr/share/initramfs-tools/init").exists():
        raise BuildError("Live systems are made of distributions with initramfs-tools only. Use raw or qcow2.")
    contents: dict[str, tuple[int, bytes]] = {
        "scripts/ingot": (0o755, (_SCRIPTS / "ingot.sh").read_bytes()),
        "ingot/install": (0o755, (_SCRIPTS / "install.sh").read_bytes()),
        "ingot/install.service": (0o644, (_SCRIPTS / "install.service").read_bytes()),
        "ingot/id": (0o644, f"{_identifier(source)}\n".encode()),
    }
    libraries = run_in_tree(tree, ["ldd", *_PROGRAMS], log=source.log)
    for path in sorted(set(re.findall(r"(/\S+) \(0x", libraries))):
        contents[_in_usr(tree, path)] = (0o755, _content(tree, path))
    for path in _PROGRAMS:
        contents[f"ingot/bin/{Path(path).name}"] = (0o755, _content(tree, path))
    modules = f"/usr/lib/modules/{kernel.version}"
    for path in _modules(files.inside(tree, modules)):
        contents[f"{modules[1:]}/{path}"] = (0o644, _content(tree, f"{modules}/{path}"))
    yield from _cpio(contents, source.epoch)


def _in_usr(tree: Path, path: str) -> str:
    """The path of a library without the links of a merged /usr."""
    return str(files.inside(tree, path).relative_to(tree))


def _content(tree: Path, path: str) -> bytes:
    place = files.inside(tree, path)
    while place.is_symlink():
        place = files.inside(tree, str(Path("/") / place.parent.relative_to(tree) / place.readlink()))
    return place.read_bytes()


def _modules(directory: Path) -> list[str]:
    """The modules that a live system needs, what they need, and the index of all."""
    needs: dict[str, list[str]] = {}
    for line in (directory / "modules.dep").read_text(encoding="ascii").splitlines():
        path, _, others = line.partition(":")
        needs[path] = others.split()
    wanted = [path for path in needs if re.sub(r"\.ko.*", "", Path(path).name) in _MODULES]
    found = {*wanted, *(other for path in wanted for other in needs[path])}
    return sorted(found) + sorted(file.name for file in directory.glob("modules.*") if file.is_file())


def _cpio(contents: dict[str, tuple[int, bytes]], epoch: int) -> Iterator[bytes]:
    """An archive in the form that kernels unpack, of files and the directories that they lie in."""
    directories = sorted({str(parent) for path in contents for parent in Path(path).parents if str(parent) != "."})
    number = 0
    for path in directories:
        number += 1
        yield _cpio_header(path, number, 0o40755, 0, epoch)
    for path, (mode, content) in sorted(contents.items()):
        number += 1
        yield _cpio_header(path, number, 0o100000 | mode, len(content), epoch)
        yield content + bytes(-len(content) % 4)
    yield _cpio_header("TRAILER!!!", 0, 0, 0, 0)


def _cpio_header(path: str, number: int, mode: int, size: int, epoch: int) -> bytes:
    name = path.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, epoch, size, 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return head + bytes(-len(head) % 4)


def _bios_loader(tree: Path, early: str, log: Path) -> bytes:
    """GRUB for CDs, from the image's own packages."""
    loader = files.inside(tree, "/boot/grub/eltorito.img")
    config = files.write(tree, "/boot/grub/early.cfg", early)
    argv = ["grub-mkimage", "--format", "i386-pc-eltorito", "--prefix", "/boot/grub", "--compression", "auto",
            "--config", "/boot/grub/early.cfg", "--output", "/boot/grub/eltorito.img", *_GRUB_MODULES]  # fmt: skip
    try:
        run_in_tree(tree, argv, log=log)
        return loader.read_bytes()
    finally:
        config.unlink()
        loader.unlink(missing_ok=True)


def _write_efi(source: Source, image: Path, configuration: str) -> None:
    """Write the EFI system partition with the distribution's signed loaders, at the path that every firmware tries."""
    tree, distribution = source.files(), _distribution(source)
    efi, platform = distribution.architecture.efi, distribution.architecture.grub_efi
    staging = source.work / "efi"
    loaders = {
        f"EFI/BOOT/BOOT{efi.upper()}.EFI": f"usr/lib/shim/shim{efi}.efi.signed",
        f"EFI/BOOT/grub{efi}.efi": f"usr/lib/grub/{platform}-signed/grub{efi}.efi.signed",
        f"EFI/BOOT/mm{efi}.efi": f"usr/lib/shim/mm{efi}.efi.signed",
    }
    contents = {path: (tree / loader).read_bytes() for path, loader in loaders.items()}
    contents[f"EFI/{distribution.efi_directory}/grub.cfg"] = configuration.encode()
    with image.open("wb") as file:
        file.truncate((sum(map(len, contents.values())) // _MIB + 3) * _MIB)
    env = {"SOURCE_DATE_EPOCH": str(source.epoch), "MTOOLS_SKIP_CHECK": "1"}
    serial = f"{source.identities.serial('live efi'):08x}"
    run(["mkfs.vfat", "--invariant", "-i", serial, "-n", "EFI", image], env=env, log=source.log)
    for directory in sorted({str(parent) for path in contents for parent in Path(path).parents if str(parent) != "."}):
        run(["mmd", "-i", image, f"::/{directory}"], env=env, log=source.log)
    for path, content in sorted(contents.items()):
        file_ = staging / Path(path).name
        file_.parent.mkdir(exist_ok=True)
        file_.write_bytes(content)
        os.utime(file_, (source.epoch, source.epoch))
        run(["mcopy", "-m", "-i", image, file_, f"::/{path}"], env=env, log=source.log)
