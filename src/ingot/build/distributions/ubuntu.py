"""Ubuntu's long-term releases: Debian's tools throughout, with a kernel, a boot loader and mirrors of its own."""

from ingot.build.distributions.architectures import AARCH64, X86_64, Architecture
from ingot.build.distributions.base import Distribution, Suite
from ingot.build.distributions.debian import (
    APPLICATION_PACKAGES,
    CONTAINER_PACKAGES,
    MINIMAL,
    SERVER,
    SERVICE_PACKAGES,
)

#: netplan, snapd and cloud-init are left out: the machine's network is systemd-networkd's, as it is Debian's.
_BOOT_PACKAGES = (
    "dbus",
    "e2fsprogs",
    "grub2-common",
    "initramfs-tools",
    "kmod",
    "linux-image-virtual",
    "shim-signed",
    "systemd-resolved",
    "systemd-sysv",
    "udev",
    "usr-is-merged",
    "zstd",
)
_OF_ARCHITECTURE = {
    X86_64: ("grub-efi-amd64-bin", "grub-efi-amd64-signed", "grub-pc-bin"),
    AARCH64: ("grub-efi-arm64-bin", "grub-efi-arm64-signed"),
}
#: Other architectures are on mirrors of their own.
_ARCHIVES = {X86_64: "ubuntu", AARCH64: "ubuntu-ports"}
#: What 22.04 has no packages for: its systemd has the resolver, and /usr is merged by whoever makes the tree.
_NOT_IN_JAMMY = frozenset({"systemd-resolved", "usr-is-merged"})


def _release(
    version: str,
    codename: str,
    release_date: str,
    architecture: Architecture,
    *,
    more: tuple[str, ...] = (),
    missing: frozenset[str] = frozenset(),
) -> Distribution:
    archive = _ARCHIVES[architecture]
    boot = {*_BOOT_PACKAGES, *_OF_ARCHITECTURE[architecture], *more} - missing
    return Distribution(
        family="debian",
        name="Ubuntu",
        version=version,
        arch=architecture.name,
        codename=codename,
        release_date=release_date,
        suites=tuple(Suite(archive, f"{codename}{pocket}") for pocket in ("", "-updates", "-security")),
        components=("main", "universe"),
        keyring="/usr/share/keyrings/ubuntu-archive-keyring.gpg",
        keyring_package="ubuntu-archive-keyring",
        boot_packages=tuple(sorted(boot)),
        container_packages=tuple(name for name in CONTAINER_PACKAGES if name not in missing),
        application_packages=tuple(name for name in APPLICATION_PACKAGES if name not in missing),
        service_packages=SERVICE_PACKAGES,
        profiles=(MINIMAL, SERVER),
        efi_directory="ubuntu",
        description=f"Ubuntu {version} LTS ({codename})",
    )


RELEASES = tuple(
    release
    for architecture in (X86_64, AARCH64)
    for release in (
        _release("22.04", "jammy", "2022-04-21", architecture, missing=_NOT_IN_JAMMY),
        _release("24.04", "noble", "2024-04-25", architecture),
        _release("26.04", "resolute", "2026-04-23", architecture, more=("systemd-repart",)),
    )
)
