"""Fedora. It works where its mirror is set: the archive `fedora` is what lies below `linux` there."""

from collections.abc import Sequence

from ingot.build.distributions.architectures import AARCH64, X86_64, Architecture
from ingot.build.distributions.base import Distribution, Profile, Suite

_BOOT_PACKAGES = (
    "dbus-broker",
    "dracut",
    "dracut-config-generic",
    "e2fsprogs",
    "grub2-tools",
    "grub2-tools-minimal",
    "kernel-core",
    "kmod",
    "systemd",
    "systemd-networkd",
    "systemd-resolved",
    "systemd-udev",
    "zstd",
)
_OF_ARCHITECTURE = {
    X86_64: ("grub2-efi-x64", "grub2-efi-x64-modules", "grub2-pc", "grub2-pc-modules", "shim-x64"),
    AARCH64: ("grub2-efi-aa64", "grub2-efi-aa64-modules", "shim-aa64"),
}
_MINIMAL_PACKAGES = (
    "bash",
    "ca-certificates",
    "coreutils",
    "glibc-minimal-langpack",
    "iproute",
    "iputils",
    "passwd",
    "rootfiles",
    "rpm",
    "shadow-utils",
    "sudo",
    "tzdata",
    "util-linux",
)
_SERVER_PACKAGES = (
    "bash-completion", "bind-utils", "curl", "less", "man-db", "nano", "openssh-server", "procps-ng", "rsync", "tmux",
)  # fmt: skip


def _profiles(manager: str, missing: Sequence[str] = ()) -> tuple[Profile, ...]:
    minimal = tuple(sorted({*_MINIMAL_PACKAGES, manager} - set(missing)))
    return (
        Profile("Minimal", "A bootable machine with a network and a package manager", minimal),
        Profile(
            "Server",
            "Minimal, with remote access and the tools people expect on a server",
            tuple(sorted({*minimal, *_SERVER_PACKAGES})),
        ),
    )


def _fedora(version: str, release_date: str, architecture: Architecture) -> Distribution:
    arch = architecture.rpm
    return Distribution(
        family="rpm",
        name="Fedora",
        version=version,
        arch=architecture.name,
        codename=f"fedora-{version}",
        release_date=release_date,
        suites=(
            Suite("fedora", "fedora", f"releases/{version}/Everything/{arch}/os"),
            Suite("fedora", "updates", f"updates/{version}/Everything/{arch}"),
        ),
        components=(),
        keyring=f"/etc/pki/rpm-gpg/RPM-GPG-KEY-fedora-{version}-{arch}",
        keyring_package="distribution-gpg-keys",
        boot_packages=(*_BOOT_PACKAGES, *_OF_ARCHITECTURE[architecture], "fedora-release-common"),
        container_packages=("dbus-broker", "fedora-release-common", "systemd", "systemd-networkd", "systemd-resolved"),
        application_packages=("fedora-release-common",),
        service_packages=("openssh-server", "sudo"),
        # Newer releases have passwd in shadow-utils.
        profiles=_profiles("dnf5", missing=("passwd",)),
        efi_directory="fedora",
        description=f"Fedora {version}",
    )


RELEASES = tuple(
    _fedora(version, date, architecture)
    for architecture in (X86_64, AARCH64)
    for version, date in (("42", "2025-04-15"), ("43", "2025-10-28"))
)
