"""Debian's releases."""

from ingot.build.distributions.base import Distribution, Profile

_BOOT_PACKAGES = (
    "dbus",
    "e2fsprogs",
    "grub-efi-amd64-bin",
    "grub-efi-amd64-signed",
    "grub-pc-bin",
    "grub2-common",
    "initramfs-tools",
    "kmod",
    "linux-image-amd64",
    "shim-signed",
    "systemd-resolved",
    "systemd-sysv",
    "udev",
    "usr-is-merged",
    "zstd",
)

_MINIMAL = Profile(
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
_SERVER = Profile(
    name="Server",
    description="Minimal, with remote access and the tools people expect on a server",
    packages=(
        *_MINIMAL.packages,
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
    version: str, codename: str, release_date: str, extra_boot_packages: tuple[str, ...] = ()
) -> Distribution:
    return Distribution(
        name="Debian",
        version=version,
        arch="x86_64",
        codename=codename,
        native_arch="amd64",
        package_type="application/x-debian-package",
        release_date=release_date,
        suites=(codename, f"{codename}-updates", f"{codename}-security"),
        components=("main",),
        boot_packages=(*_BOOT_PACKAGES, *extra_boot_packages),
        profiles=(_MINIMAL, _SERVER),
        description=f"Debian {version} ({codename})",
    )


DEBIAN_12 = _release("12", "bookworm", "2023-06-10")
DEBIAN_13 = _release("13", "trixie", "2025-08-09", extra_boot_packages=("systemd-repart",))
