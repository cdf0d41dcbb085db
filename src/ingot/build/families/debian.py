"""Debian and what descends from it: apt solves and fetches, dpkg configures, initramfs-tools makes the RAM disk."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ingot.build.distributions import Distribution
from ingot.build.families.base import BootLoader, Family, Kernel
from ingot.build.packages.apt_repository import AptRepository
from ingot.build.packages.sources import Source
from ingot.build.tree import files, initramfs, install, keyboard


class DebianFamily(Family):
    """Trees of .deb packages."""

    transient = (
        "/var/cache/apt/*.bin",
        "/var/cache/apt/archives/*.deb",
        "/var/cache/debconf/*-old",
        "/var/lib/apt/lists/*",
        "/var/lib/dpkg/*-old",
        "/var/lib/dpkg/lock*",
        "/var/lib/dpkg/triggers/Lock",
        "/var/log/apt/*",
    )
    keyboard_packages = keyboard.PACKAGES
    locale_file = "/etc/default/locale"

    def repository(self, distribution: Distribution, cache: Path) -> AptRepository:
        """The distribution's packages as apt sees them."""
        return AptRepository(distribution, cache)

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
        """Unpack on all cores, then let dpkg configure all at once."""
        install.install_base(tree, files, work=work, env=env, log=log, on_progress=on_progress)

    def install_more(
        self,
        tree: Path,
        files: Sequence[Path],
        *,
        env: Mapping[str, str],
        log: Path,
        on_progress: Callable[[float, str], None],
    ) -> None:
        """Let dpkg unpack and configure."""
        install.install_more(tree, files, env=env, log=log, on_progress=on_progress)

    def kernels(self, tree: Path) -> list[Kernel]:
        """Those in /boot."""
        return [
            Kernel(version, f"/boot/vmlinuz-{version}", f"/boot/initrd.img-{version}")
            for version in initramfs.kernels(tree)
        ]

    def concerns_initramfs(self, layer: Path) -> bool:
        """Kernels, modules and what initramfs-tools runs."""
        return initramfs.concerns_initramfs(layer)

    def make_initramfs(self, tree: Path, env: Mapping[str, str], log: Path) -> None:
        """Run update-initramfs, with faster functions where it has slow ones."""
        initramfs.make_initramfs(tree, env, log)

    def set_package_sources(self, tree: Path, sources: Sequence[Source]) -> None:
        """Write apt's sources."""
        paragraphs = []
        for uri in dict.fromkeys(source.uri for source in sources):
            suites = [source for source in sources if source.uri == uri]
            paragraphs.append(
                f"Types: deb\nURIs: {uri}\nSuites: {' '.join(source.suite for source in suites)}\n"
                f"Components: {' '.join(suites[0].components)}\nSigned-By: {suites[0].keyring}\n"
            )
        files.remove(tree, "/etc/apt/sources.list")
        files.write(tree, "/etc/apt/sources.list.d/system.sources", "\n".join(paragraphs))

    def set_keyboard(self, tree: Path, keyboard_name: str, env: Mapping[str, str], log: Path) -> None:
        """Write console-setup's configuration and have it compute the console's map."""
        keyboard.set_up_keyboard(tree, keyboard_name, env, log)

    def boot_loader(self, distribution: Distribution) -> BootLoader:
        """The signed loaders are packages' files; grub-install would put them where the firmware looks for them."""
        efi, platform = distribution.architecture.efi, distribution.architecture.grub_efi
        # Ubuntu's own key manager is signed, too, but not called so.
        manager = f"mm{efi}.efi" if distribution.efi_directory == "ubuntu" else f"mm{efi}.efi.signed"
        return BootLoader(
            directory="/boot/grub",
            make_image="grub-mkimage",
            shim=f"usr/lib/shim/shim{efi}.efi.signed",
            manager=f"usr/lib/shim/{manager}",
            grub=f"usr/lib/grub/{platform}-signed/grub{efi}.efi.signed",
        )

    def first_wrong_file(self, tree: Path) -> str | None:
        """Compare with the MD5 sums that the packages bring."""
        for sums in sorted((tree / "var/lib/dpkg/info").glob("*.md5sums")):
            for line in sums.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
                expected, _, name = line.partition("  ")
                file = tree / name
                if file.is_symlink() or not file.is_file():
                    continue  # diverted, or in the layer beneath
                with file.open("rb") as content:
                    if hashlib.file_digest(content, "md5").hexdigest() != expected:
                        return f"/{name} is not as the package {sums.stem} has it"
        return None
