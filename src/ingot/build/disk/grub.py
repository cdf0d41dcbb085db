"""GRUB for BIOS and for UEFI, from the image's own packages."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ingot.build.disk.layout import DiskPartition
from ingot.build.distributions import Distribution
from ingot.build.families import family_of
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
_CONFIGURATION = """\
set default=0
set timeout=1
{terminals}search --no-floppy --fs-uuid --set=root {uuid}
{entries}"""
#: A PC's firmware leaves the serial port alone; other machines' firmware has it as its console.
_PC_TERMINALS = """\
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
"""
_ENTRY = """\
menuentry '{title}' {{
    linux {image} root=UUID={uuid} ro {parameters}
    initrd {initramfs}
}}
"""


def write_configuration(
    tree: Path, distribution: Distribution, root: DiskPartition, *, parameters: Sequence[str]
) -> None:
    """Write the boot menu, newest kernel first, and the defaults it is made again from on the machine."""
    architecture, family = distribution.architecture, family_of(distribution)
    kernels = family.kernels(tree)
    title = f"{distribution.name} {distribution.version}"
    words = " ".join((*parameters, "console=tty0", f"console={architecture.console}"))
    entries = "".join(
        _ENTRY.format(
            title=title if kernel is kernels[-1] else f"{title}, Linux {kernel.version}",
            image=kernel.image,
            initramfs=kernel.initramfs,
            uuid=root.filesystem_uuid,
            parameters=words,
        )
        for kernel in reversed(kernels)
    )
    terminals = _PC_TERMINALS if architecture.grub_bios else ""
    content = _CONFIGURATION.format(uuid=root.filesystem_uuid, entries=entries, terminals=terminals)
    configuration = family.grub_configuration()
    files.write(tree, configuration, content, mode=0o600)
    defaults = (
        "GRUB_DEFAULT=0\nGRUB_TIMEOUT=1\nGRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`\n"
        f'GRUB_CMDLINE_LINUX_DEFAULT=""\nGRUB_CMDLINE_LINUX="{words}"\n'
    )
    if architecture.grub_bios:
        defaults += 'GRUB_TERMINAL="console serial"\nGRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"\n'
    files.write(tree, "/etc/default/grub", defaults)
    for platform in filter(None, (architecture.grub_bios, architecture.grub_efi)):
        for pattern in ("*.mod", "*.lst"):
            for module in sorted((tree / "usr/lib/grub" / platform).glob(pattern)):
                place = f"{Path(configuration).parent}/{platform}/{module.name}"
                files.write(tree, place, module.read_bytes())


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


def esp_files(tree: Path, distribution: Distribution, root: DiskPartition) -> Mapping[str, bytes]:
    """The EFI system partition: the distribution's signed loaders, at the path that every firmware tries."""
    early = (
        f"search.fs_uuid {root.filesystem_uuid} root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n"
    ).encode()
    efi, platform = distribution.architecture.efi, distribution.architecture.grub_efi
    shim = (tree / f"usr/lib/shim/shim{efi}.efi.signed").read_bytes()
    manager = (tree / f"usr/lib/shim/mm{efi}.efi.signed").read_bytes()
    grub = (tree / f"usr/lib/grub/{platform}-signed/grub{efi}.efi.signed").read_bytes()
    return {
        f"EFI/BOOT/BOOT{efi.upper()}.EFI": shim,
        f"EFI/BOOT/grub{efi}.efi": grub,
        f"EFI/BOOT/mm{efi}.efi": manager,
        f"EFI/{distribution.efi_directory}/grub.cfg": early,
    }
