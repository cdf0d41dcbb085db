"""GRUB for BIOS and for UEFI, from the image's own packages."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from ingot.build.disk.layout import Layout
from ingot.build.distributions import Distribution
from ingot.build.families import family_of
from ingot.build.sandbox import run_in_tree
from ingot.build.tree import files

_MODULES = (
    "biosdisk",
    "part_gpt",
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
    linux {image} root={root} ro {parameters}
    initrd {initramfs}
}}
"""


def copy_modules(tree: Path, distribution: Distribution) -> None:
    """Put GRUB's modules, where the tree has them, to where GRUB finds them: some 560 small files."""
    architecture, directory = distribution.architecture, family_of(distribution).boot_loader(distribution).directory
    for platform in filter(None, (architecture.grub_bios, architecture.grub_efi)):
        modules = [file for end in ("mod", "lst") for file in (tree / "usr/lib/grub" / platform).glob(f"*.{end}")]
        place = files.inside(tree, f"{directory}/{platform}/module").parent
        if modules:
            place.mkdir(parents=True, exist_ok=True)
        for module in modules:
            shutil.copyfile(module, place / module.name)
            (place / module.name).chmod(0o644)


def write_configuration(tree: Path, distribution: Distribution, layout: Layout, *, parameters: Sequence[str]) -> None:
    """Write the boot menu, newest kernel first, and the defaults it is made again from on the machine."""
    architecture, family = distribution.architecture, family_of(distribution)
    kernels = family.kernels(tree)
    title = f"{distribution.name} {distribution.version}"
    words = " ".join((*parameters, "console=tty0", f"console={architecture.console}"))
    entries = "".join(
        _ENTRY.format(
            title=title if kernel is kernels[-1] else f"{title}, Linux {kernel.version}",
            image=_in_boot(layout, kernel.image),
            initramfs=_in_boot(layout, kernel.initramfs),
            root=_root_parameter(layout),
            parameters=words,
        )
        for kernel in reversed(kernels)
    )
    terminals = _PC_TERMINALS if architecture.grub_bios else ""
    content = _CONFIGURATION.format(uuid=layout.boot.uuid, entries=entries, terminals=terminals)
    directory = family.boot_loader(distribution).directory
    files.write(tree, f"{directory}/grub.cfg", content, mode=0o600)
    defaults = (
        "GRUB_DEFAULT=0\nGRUB_TIMEOUT=1\nGRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`\n"
        f'GRUB_CMDLINE_LINUX_DEFAULT=""\nGRUB_CMDLINE_LINUX="{words}"\n'
    )
    if architecture.grub_bios:
        defaults += 'GRUB_TERMINAL="console serial"\nGRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"\n'
    files.write(tree, "/etc/default/grub", defaults)


def make_boot_code(tree: Path, distribution: Distribution, layout: Layout, log: Path) -> tuple[bytes, bytes] | None:
    """GRUB's first sector and its core image, which finds the file system of the kernels; None without a BIOS."""
    platform, loader = distribution.architecture.grub_bios, family_of(distribution).boot_loader(distribution)
    if platform is None:
        return None
    early = _early(distribution, layout)
    modules = [*_MODULES, *_modules_for(layout)]
    config, core = (files.inside(tree, f"{loader.directory}/{name}") for name in ("early.cfg", "core.img"))
    config.write_text(early, encoding="ascii")
    try:
        run_in_tree(
            tree,
            [loader.make_image, "--format", platform, "--prefix", loader.directory, "--compression", "auto",
             "--config", f"{loader.directory}/early.cfg", "--output", f"{loader.directory}/core.img", *modules],
            log=log,
        )  # fmt: skip
        return (tree / f"usr/lib/grub/{platform}/boot.img").read_bytes(), core.read_bytes()
    finally:
        config.unlink()
        core.unlink(missing_ok=True)


def write_esp(tree: Path, distribution: Distribution, layout: Layout) -> None:
    """The EFI system partition: the distribution's signed loaders, at the path that every firmware tries."""
    efi, loader = distribution.architecture.efi, family_of(distribution).boot_loader(distribution)
    for name, source in (
        (f"BOOT{efi.upper()}.EFI", loader.shim),
        (f"grub{efi}.efi", loader.grub),
        (f"mm{efi}.efi", loader.manager),
    ):
        files.write(tree, f"/boot/efi/EFI/BOOT/{name}", files.read(tree, f"/{source}"))
    early = f"{_early(distribution, layout)}configfile $prefix/grub.cfg\n"
    files.write(tree, f"/boot/efi/EFI/{distribution.efi_directory}/grub.cfg", early)


def _early(distribution: Distribution, layout: Layout) -> str:
    """GRUB's first commands: where the rest of it lies."""
    directory = family_of(distribution).boot_loader(distribution).directory
    return f"search.fs_uuid {layout.boot.uuid} root\nset prefix=($root){_in_boot(layout, directory)}\n"


def _in_boot(layout: Layout, path: str) -> str:
    """Where a file below /boot lies in its file system."""
    return path.removeprefix("/boot") if layout.boot.mount_point == "/boot" else path


def _root_parameter(layout: Layout) -> str:
    """How the kernel's parameter names the root file system; a logical volume by its path, which activates it."""
    root = layout.root
    if not layout.is_logical(root):
        return f"UUID={root.uuid}"
    group, _, volume = root.name.replace("-", "--").partition("/")
    return f"/dev/mapper/{group}-{volume}"


def _modules_for(layout: Layout) -> list[str]:
    boot = layout.boot
    file_system = "ext2" if boot.fstype.startswith("ext") else boot.fstype
    return [file_system, "lvm"] if layout.is_logical(boot) else [file_system]
