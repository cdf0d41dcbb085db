"""GRUB for BIOS and for UEFI, from the image's own packages."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ingot.build.disk.layout import DiskPartition
from ingot.build.sandbox import run_in_tree
from ingot.build.tree import files

_MODULES = (
    "biosdisk",
    "part_gpt",
    "ext2",
    "search_fs_uuid",
    "configfile",
    "normal",
    "echo",
    "linux",
    "serial",
    "terminal",
)
_CONSOLES = ("console=tty0", "console=ttyS0,115200")
_CONFIGURATION = """\
set default=0
set timeout=1
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
search --no-floppy --fs-uuid --set=root {uuid}
{entries}"""
_ENTRY = """\
menuentry '{title}' {{
    linux /boot/vmlinuz-{version} root=UUID={uuid} ro {parameters}
    initrd /boot/initrd.img-{version}
}}
"""


def write_configuration(
    tree: Path, root: DiskPartition, *, title: str, kernels: Sequence[str], parameters: Sequence[str]
) -> None:
    """Write the boot menu, newest kernel first, and the defaults it is made again from on the machine."""
    words = " ".join((*parameters, *_CONSOLES))
    entries = "".join(
        _ENTRY.format(
            title=title if version == kernels[-1] else f"{title}, Linux {version}",
            version=version,
            uuid=root.filesystem_uuid,
            parameters=words,
        )
        for version in reversed(kernels)
    )
    content = _CONFIGURATION.format(uuid=root.filesystem_uuid, entries=entries)
    files.write(tree, "/boot/grub/grub.cfg", content, mode=0o600)
    defaults = (
        "GRUB_DEFAULT=0\nGRUB_TIMEOUT=1\nGRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`\n"
        f'GRUB_CMDLINE_LINUX_DEFAULT=""\nGRUB_CMDLINE_LINUX="{words}"\n'
        'GRUB_TERMINAL="console serial"\nGRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"\n'
    )
    files.write(tree, "/etc/default/grub", defaults)
    for platform in ("i386-pc", "x86_64-efi"):
        for pattern in ("*.mod", "*.lst"):
            for module in sorted((tree / "usr/lib/grub" / platform).glob(pattern)):
                files.write(tree, f"/boot/grub/{platform}/{module.name}", module.read_bytes())


def make_boot_code(tree: Path, root: DiskPartition, log: Path) -> tuple[bytes, bytes]:
    """GRUB's first sector and its core image, which finds the root file system by its UUID."""
    early = f"search.fs_uuid {root.filesystem_uuid} root\nset prefix=($root)/boot/grub\n"
    config, core = files.inside(tree, "/boot/grub/early.cfg"), files.inside(tree, "/boot/grub/core.img")
    config.write_text(early, encoding="ascii")
    try:
        run_in_tree(
            tree,
            ["grub-mkimage", "--format", "i386-pc", "--prefix", "/boot/grub", "--compression", "auto",
             "--config", "/boot/grub/early.cfg", "--output", "/boot/grub/core.img", *_MODULES],
            log=log,
        )  # fmt: skip
        return (tree / "usr/lib/grub/i386-pc/boot.img").read_bytes(), core.read_bytes()
    finally:
        config.unlink()
        core.unlink(missing_ok=True)


def esp_files(tree: Path, root: DiskPartition) -> Mapping[str, bytes]:
    """The EFI system partition: the distribution's signed loaders, at the path that every firmware tries."""
    early = (
        f"search.fs_uuid {root.filesystem_uuid} root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n"
    ).encode()
    shim = (tree / "usr/lib/shim/shimx64.efi.signed").read_bytes()
    manager = (tree / "usr/lib/shim/mmx64.efi.signed").read_bytes()
    grub = (tree / "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed").read_bytes()
    return {
        "EFI/BOOT/BOOTX64.EFI": shim,
        "EFI/BOOT/grubx64.efi": grub,
        "EFI/BOOT/mmx64.efi": manager,
        "EFI/debian/grub.cfg": early,
    }
