"""Debian's releases."""

from ingot.build.distributions.architectures import AARCH64, X86_64, Architecture
from ingot.build.distributions.base import Distribution, Profile, Suite

_BOOT_PACKAGES = (
    "dbus",
    "e2fsprogs",
    "grub2-common",
    "initramfs-tools",
    "kmod",
    "shim-signed",
    "systemd-resolved",
    "systemd-sysv",
    "udev",
    "usr-is-merged",
    "zstd",
)
_OF_ARCHITECTURE = {
    X86_64: ("grub-efi-amd64-bin", "grub-efi-amd64-signed", "grub-pc-bin", "linux-image-amd64"),
    AARCH64: ("grub-efi-arm64-bin", "grub-efi-arm64-signed", "linux-image-arm64"),
}
CONTAINER_PACKAGES = ("dbus", "systemd-resolved", "systemd-sysv", "usr-is-merged")
APPLICATION_PACKAGES = ("usr-is-merged",)
#: What only runs under an init.
SERVICE_PACKAGES = ("openssh-server", "sudo", "systemd-timesyncd", "unattended-upgrades")
MINIMAL = Profile(
    name="Minimal",
    description="A bootable machine with a network and a package manager",
    packages=(
        "apt",
        "ca-certificates",
        "iproute2",
        "iputils-ping",
        "login",
        "netbase",
        "passwd",
        "sudo",
        "systemd-timesyncd",
        "tzdata",
    ),
)
SERVER = Profile(
    name="Server",
    description="Minimal, with remote access and the tools people expect on a server",
    packages=(
        *MINIMAL.packages,
        "bash-completion",
        "bind9-host",
        "curl",
        "less",
        "man-db",
        "nano",
        "openssh-server",
        "procps",
        "rsync",
        "tmux",
        "unattended-upgrades",
    ),
)


def _release(
    version: str,
    codename: str,
    release_date: str,
    architecture: Architecture,
    extra_boot_packages: tuple[str, ...] = (),
) -> Distribution:
    return Distribution(
        family="debian",
        name="Debian",
        version=version,
        arch=architecture.name,
        codename=codename,
        release_date=release_date,
        suites=(
            Suite("debian", codename),
            Suite("debian", f"{codename}-updates"),
            Suite("debian-security", f"{codename}-security"),
        ),
        components=("main",),
        keyring="/usr/share/keyrings/debian-archive-keyring.gpg",
        keyring_package="debian-archive-keyring",
        boot_packages=tuple(sorted({*_BOOT_PACKAGES, *_OF_ARCHITECTURE[architecture], *extra_boot_packages})),
        container_packages=CONTAINER_PACKAGES,
        application_packages=APPLICATION_PACKAGES,
        service_packages=SERVICE_PACKAGES,
        profiles=(MINIMAL, SERVER),
        efi_directory="debian",
        description=f"Debian {version} ({codename})",
    )


RELEASES = tuple(
    release
    for architecture in (X86_64, AARCH64)
    for release in (
        _release("12", "bookworm", "2023-06-10", architecture),
        _release("13", "trixie", "2025-08-09", architecture, extra_boot_packages=("systemd-repart",)),
    )
)
