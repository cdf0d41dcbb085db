"""Fedora, Red Hat and what descends from them: dnf solves, rpm installs, dracut makes the initial RAM disk."""

import re
import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from ingot.build.distributions import Distribution
from ingot.build.errors import BuildError
from ingot.build.families.base import BootLoader, Family, Kernel
from ingot.build.packages.dnf_repository import DnfRepository
from ingot.build.packages.sources import Source
from ingot.build.run import require
from ingot.build.sandbox import SYSTEM_ROOT, run_in_tree, run_on_tree
from ingot.build.tree import files, keyboard

#: Where distributions keep RPM's database: the newer ones first.
_DATABASES = ("usr/lib/sysimage/rpm", "var/lib/rpm")
_MACROS = "usr/lib/rpm/macros"
_PACKAGES = "/packages"
#: What rpm says of each package: name-version-release.architecture.
_INSTALLED = re.compile(r"\S+-[^-\s]+-[^-\s]+\.\w+")
#: What separates the answers of a query: characters that no value has.
_UNIT, _FIELD, _RECORD = "\x1f", "\x1d", "\x1e"
#: Where rpm runs scripts in a tree there has to be something to mount on.
_SKELETON = ("dev", "proc", "run", "tmp")


class RpmFamily(Family):
    """Trees of .rpm packages."""

    transient = (
        "/boot/loader/entries/*",
        "/usr/lib/sysimage/rpm/.rpm.lock",
        "/usr/lib/sysimage/rpm/*-shm",
        "/usr/lib/sysimage/rpm/*-wal",
        "/var/cache/dnf/*",
        "/var/lib/dnf/history.sqlite*",
        "/var/lib/rpm/.rpm.lock",
        "/var/lib/rpm/*-shm",
        "/var/lib/rpm/*-wal",
        "/var/log/dnf*",
    )
    keyboard_packages = ("kbd",)
    locale_file = "/etc/locale.conf"

    def repository(self, distribution: Distribution, cache: Path) -> DnfRepository:
        """The distribution's packages as dnf sees them."""
        return DnfRepository(distribution, cache)

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
        """Install all in one transaction, in the order that rpm finds."""
        for name in _SKELETON:
            (tree / name).mkdir(exist_ok=True)
        (tree / "tmp").chmod(0o1777)
        _install(tree, files, env, log, lambda part, what: on_progress(0.8 * part, what))
        _put_database_in_place(tree)
        on_progress(0.8, "Making the initial RAM disk")
        self.make_initramfs(tree, env, log)

    def install_more(
        self,
        tree: Path,
        files: Sequence[Path],
        *,
        env: Mapping[str, str],
        log: Path,
        on_progress: Callable[[float, str], None],
    ) -> None:
        """Install into what is there."""
        _install(tree, files, env, log, on_progress)

    def kernels(self, tree: Path) -> list[Kernel]:
        """Those with modules; the kernel's package has its image beside them."""
        versions = sorted(path.parent.name for path in (tree / "usr/lib/modules").glob("*/vmlinuz"))
        return [Kernel(version, f"/boot/vmlinuz-{version}", f"/boot/initramfs-{version}.img") for version in versions]

    def concerns_initramfs(self, layer: Path) -> bool:
        """Kernels, modules and what dracut runs."""
        patterns = ("usr/lib/modules/*", "usr/lib/dracut/*", "usr/lib/firmware/*", "etc/dracut.conf.d/*")
        return any(next(layer.glob(pattern), None) is not None for pattern in patterns)

    def make_initramfs(self, tree: Path, env: Mapping[str, str], log: Path) -> None:
        """Run dracut for any machine, not this one, and put the kernel beside what it makes."""
        kernels = self.kernels(tree)
        if not kernels:
            raise BuildError("The image has no kernel: add a kernel package such as kernel-core.")
        for kernel in kernels:
            image = (tree / f"usr/lib/modules/{kernel.version}/vmlinuz").read_bytes()
            files.write(tree, kernel.image, image, mode=0o755)
            argv = ["dracut", "--force", "--no-hostonly", "--no-hostonly-cmdline", "--reproducible", "--zstd"]
            run_in_tree(tree, [*argv, "--kver", kernel.version, kernel.initramfs], env=env, log=log)

    def set_package_sources(self, tree: Path, sources: Sequence[Source]) -> None:
        """Write dnf's repositories."""
        sections = [
            f"[{source.suite}]\nname={source.suite}\nbaseurl={source.uri}\ngpgcheck=1\ngpgkey=file://{source.keyring}\n"
            for source in sources
        ]
        files.remove(tree, "/etc/yum.repos.d/*.repo")
        files.write(tree, "/etc/yum.repos.d/system.repo", "\n".join(sections))

    def set_keyboard(self, tree: Path, keyboard_name: str, env: Mapping[str, str], log: Path) -> None:
        """Name the console's map, which systemd loads at boot."""
        keyboard.refuse_unknown(keyboard_name)
        files.write(tree, "/etc/vconsole.conf", f"KEYMAP={keyboard_name}\n")

    def boot_loader(self, distribution: Distribution) -> BootLoader:
        """The signed loaders lie where the firmware would look for them."""
        directory, efi = f"boot/efi/EFI/{distribution.efi_directory}", distribution.architecture.efi
        return BootLoader(
            directory="/boot/grub2",
            make_image="grub2-mkimage",
            shim=f"{directory}/shim{efi}.efi",
            manager=f"{directory}/mm{efi}.efi",
            grub=f"{directory}/grub{efi}.efi",
        )

    def first_wrong_file(self, tree: Path) -> str | None:
        """Nothing is compared: rpm keeps its sums in a database that a layer has only a part of."""
        return None


def _install(
    tree: Path,
    packages: Sequence[Path],
    env: Mapping[str, str],
    log: Path,
    on_progress: Callable[[float, str], None],
) -> None:
    require("rpm", "rpm")
    done = 0

    def follow(line: str) -> None:
        nonlocal done
        if _INSTALLED.fullmatch(line):
            done += 1
            on_progress(min(1.0, done / len(packages)), "Installing packages")

    database = next((name for name in _DATABASES if (tree / name / "rpmdb.sqlite").exists()), _DATABASES[0])
    argv = [
        "rpm", "--root", SYSTEM_ROOT, "--dbpath", f"/{database}",
        "--install", "--verbose", "--ignorearch", "--ignoreos", "--nosignature",
        "--define", "_db_backend sqlite", "--define", "_rpmlock_path /.rpm.lock",
        *(f"{_PACKAGES}/{package.name}" for package in packages),
    ]  # fmt: skip
    # Kernels are put in place once, by us, and not for this host.
    bypass = {"KERNEL_INSTALL_BYPASS": "1"}
    run_on_tree(tree, argv, binds=[(packages[0].parent, _PACKAGES)], env={**env, **bypass}, on_line=follow, log=log)
    files.remove(tree, "/.rpm.lock")
    _settle_database(tree / database / "rpmdb.sqlite")


def _put_database_in_place(tree: Path) -> None:
    """Move the database to where the tree's own rpm looks for it, which is known once that is there."""
    macros = tree / _MACROS
    text = macros.read_text(encoding="utf-8", errors="replace") if macros.is_file() else ""
    wanted = next((line.split()[-1] for line in text.splitlines() if line.split()[:1] == ["%_dbpath"]), "")
    place = wanted.replace("%{_var}", "/var").replace("%{_usr}", "/usr").strip("/")
    if place in _DATABASES[1:]:
        target = tree / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        if not target.exists():
            (tree / _DATABASES[0]).rename(target)


def _settle_database(database: Path) -> None:
    """Give the same bytes to the same content, however the transaction went."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("VACUUM")


def query(tree: Path, fields: Sequence[str], lists: Sequence[str]) -> list[dict[str, list[str]]]:
    """What the tree's database says of each package: tags of one value, and tags of many."""
    database = next((name for name in _DATABASES if (tree / name / "rpmdb.sqlite").exists()), None)
    if database is None:
        return []
    parts = [*(f"%{{{name}}}" for name in fields), *(f"[%{{{name}}}{_UNIT}]" for name in lists)]
    argv = ["rpm", "--dbpath", f"{SYSTEM_ROOT}/{database}", "--query", "--all", "--queryformat"]
    output = run_on_tree(tree, [*argv, _FIELD.join(parts) + _RECORD])
    packages = []
    for record in output.split(_RECORD)[:-1]:
        values = record.split(_FIELD)
        entry = {name: [value] for name, value in zip(fields, values, strict=False)}
        entry |= {name: value.split(_UNIT)[:-1] for name, value in zip(lists, values[len(fields) :], strict=True)}
        packages.append(entry)
    return packages
