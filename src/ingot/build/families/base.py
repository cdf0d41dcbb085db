"""What a family of distributions has to know how to do."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ingot.build.distributions import Distribution
from ingot.build.packages.repository import Repository
from ingot.build.packages.sources import Source


@dataclass(frozen=True)
class Kernel:
    """A kernel of a tree: its version, and the paths on the machine of it and of its initial RAM disk."""

    version: str
    image: str
    initramfs: str


@dataclass(frozen=True)
class BootLoader:
    """GRUB in a tree: the machine's `directory` for its configuration, the program that makes its images for a BIOS,
    and the signed files for UEFI, as paths in the tree."""

    directory: str
    make_image: str
    shim: str
    manager: str
    grub: str


class Family(ABC):
    """The package manager's side of a build, and where a family's machines keep things.

    `transient` are patterns of files that belong to one machine or one build; `keyboard_packages` what has to be
    installed for a keyboard to be set; `locale_file` the machine's file with its language.
    """

    transient: ClassVar[tuple[str, ...]] = ()
    locale_file: ClassVar[str]
    keyboard_packages: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def repository(self, distribution: Distribution, cache: Path) -> Repository:
        """The distribution's packages; raises BuildError where no mirror or no key is known."""

    @abstractmethod
    def install_base(
        self,
        tree: Path,
        files: Sequence[Path],
        *,
        work: Path,
        env: Mapping[str, str],
        log: Path,
        on_progress: Callable[[float, str], None],
    ) -> None:
        """Fill an empty tree with packages and make the initial RAM disk of its kernels.

        `on_progress` gets the part done (0 to 1) and what is going on.
        """

    @abstractmethod
    def install_more(
        self,
        tree: Path,
        files: Sequence[Path],
        *,
        env: Mapping[str, str],
        log: Path,
        on_progress: Callable[[float, str], None],
    ) -> None:
        """Add packages to a tree that has its base."""

    @abstractmethod
    def kernels(self, tree: Path) -> list[Kernel]:
        """The kernels of a tree, newest last."""

    @abstractmethod
    def concerns_initramfs(self, layer: Path) -> bool:
        """Whether a layer of added packages brings what an initial RAM disk is made of."""

    @abstractmethod
    def make_initramfs(self, tree: Path, env: Mapping[str, str], log: Path) -> None:
        """Make the initial RAM disk of every kernel, with nothing of one machine in it."""

    @abstractmethod
    def set_package_sources(self, tree: Path, sources: Sequence[Source]) -> None:
        """Tell the machine's package manager where its packages come from."""

    @abstractmethod
    def set_keyboard(self, tree: Path, keyboard: str, env: Mapping[str, str], log: Path) -> None:
        """Set the console's keyboard, by the template's name for it; raises BuildError for an unknown one."""

    @abstractmethod
    def boot_loader(self, distribution: Distribution) -> BootLoader:
        """Where a tree has its boot loader."""

    @abstractmethod
    def first_wrong_file(self, tree: Path) -> str | None:
        """What is wrong with the first file of a tree that is not as its package has it; None when all are well."""
