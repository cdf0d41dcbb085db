"""The kinds of processors that images are built for, and what everybody calls them."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """A kind of processor: `name` is the API's and the kernel's word, `debian` and `rpm` those of the packages.

    `efi` is the suffix of UEFI's file names, `grub_efi` and `grub_bios` are GRUB's platforms (None: it has no BIOS),
    `console` the kernel's first serial port, `root_partition` the type that a GPT gives the root file system,
    `elf_machine` the number that programs carry.
    """

    name: str
    debian: str
    rpm: str
    efi: str
    grub_efi: str
    grub_bios: str | None
    console: str
    root_partition: str
    elf_machine: int
    aliases: tuple[str, ...] = ()


X86_64 = Architecture(
    name="x86_64",
    debian="amd64",
    rpm="x86_64",
    efi="x64",
    grub_efi="x86_64-efi",
    grub_bios="i386-pc",
    console="ttyS0,115200",
    root_partition="4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
    elf_machine=62,
    aliases=("amd64",),
)
AARCH64 = Architecture(
    name="aarch64",
    debian="arm64",
    rpm="aarch64",
    efi="aa64",
    grub_efi="arm64-efi",
    grub_bios=None,
    console="ttyAMA0,115200",
    root_partition="B921B045-1DF0-41C3-AF44-4C6F280D3FAE",
    elf_machine=183,
    aliases=("arm64",),
)
ARCHITECTURES: tuple[Architecture, ...] = (X86_64, AARCH64)


def canonical(name: object) -> object:
    """The API's word for an architecture that has several; everything else stays as it is."""
    word = name.strip().lower() if isinstance(name, str) else name
    return next((one.name for one in ARCHITECTURES if word in (one.name, *one.aliases)), name)


def find(name: str, among: Iterable[Architecture] = ARCHITECTURES) -> Architecture:
    """The architecture of that name; raises KeyError."""
    for architecture in among:
        if architecture.name == name:
            return architecture
    raise KeyError(name)
