"""Make a tree of packages the machine that the template describes."""

import re
import zoneinfo
from collections.abc import Mapping
from pathlib import Path

from ingot.build.bundles import boot_scripts
from ingot.build.contents import Contents
from ingot.build.errors import BuildError
from ingot.build.families import Family
from ingot.build.packages.sources import Source
from ingot.build.sandbox import run_in_tree
from ingot.build.template import Template
from ingot.build.template_rules import HOSTNAME
from ingot.build.tree import files
from ingot.build.tree.boot_scripts import set_up_boot_scripts
from ingot.build.tree.bundles import keep_licenses
from ingot.build.tree.network import set_up_network
from ingot.build.tree.protection import set_selinux_mode, set_up_firewall
from ingot.build.tree.users import set_up_users

_GUEST_FILES = Path(__file__).parent / "guest"
#: Born on the machine itself at its first boot, or of no use there.
TRANSIENT = (
    "/etc/ssh/ssh_host_*",
    "/etc/machine-id",
    "/etc/*-",
    "/etc/.pwd.lock",
    "/run/*",
    "/tmp/*",  # noqa: S108 - of the image
    "/var/cache/ldconfig/aux-cache",
    "/var/lib/dbus/machine-id",
    "/var/lib/systemd/random-seed",
    "/var/log/*.log",
    "/var/log/btmp",
    "/var/log/faillog",
    "/var/log/lastlog",
    "/var/log/wtmp",
)


def configure(
    tree: Path,
    family: Family,
    template: Template,
    *,
    sources: tuple[Source, ...],
    contents: Contents,
    env: Mapping[str, str],
    log: Path,
) -> None:
    """Set up everything the template says of the machine but its disk and the files of bundles."""
    installation = template.installation
    _set_hostname(tree, installation.hostname or _hostname_of(template.name))
    _set_time_zone(tree, installation.timezone or "UTC")
    if installation.keyboard:
        family.set_keyboard(tree, installation.keyboard, env, log)
    if installation.welcome_message:
        files.write(tree, "/etc/motd", installation.welcome_message.rstrip("\n") + "\n")
    files.write(tree, family.locale_file, "LANG=C.UTF-8\n")
    family.set_package_sources(tree, sources)
    set_up_users(tree, installation, env, log)
    set_up_network(tree, installation)
    set_selinux_mode(tree, installation)
    units = keep_licenses(tree, template.bundles, contents, shown=installation.display_licenses)
    if files.inside(tree, "/usr/bin/systemctl").exists():
        units += set_up_boot_scripts(tree, [*template.config, *boot_scripts(template.bundles)], contents)
        units += _copy_guest_files(tree)
        units += set_up_firewall(tree, installation, env, log)
        units += ["systemd-networkd.service", "systemd-resolved.service"]
        run_in_tree(tree, ["systemctl", "enable", *units], env=env, log=log)
    if files.inside(tree, "/etc/cloud/cloud.cfg.d").is_dir():
        # The template says what the network is; the cloud says the rest.
        files.write(tree, "/etc/cloud/cloud.cfg.d/90-network.cfg", "network: {config: disabled}\n")
    clean(tree, family)


def clean(tree: Path, family: Family) -> None:
    """Remove what belongs to one machine or one build."""
    for pattern in (*TRANSIENT, *family.transient):
        files.remove(tree, pattern)
    # Empty and not missing: the machine gets an identity at boot, but is not asked for one at the console.
    files.write(tree, "/etc/machine-id", "", mode=0o444)


def _hostname_of(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63].strip("-") or "localhost"


def _set_hostname(tree: Path, hostname: str) -> None:
    if not HOSTNAME.fullmatch(hostname):
        raise BuildError(f"{hostname!r} is no host name: use letters, digits and '-', at most 63 between dots.")
    short = hostname.partition(".")[0]
    names = short if short == hostname else f"{hostname} {short}"
    files.write(tree, "/etc/hostname", f"{hostname}\n")
    files.write(
        tree,
        "/etc/hosts",
        f"127.0.0.1 localhost\n127.0.1.1 {names}\n::1 localhost ip6-localhost ip6-loopback\n"
        "ff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n",
    )


def _set_time_zone(tree: Path, zone: str) -> None:
    file = files.inside(tree, f"/usr/share/zoneinfo/{zone}")
    if zone not in zoneinfo.available_timezones() and not file.is_file():
        raise BuildError(f"There is no time zone {zone}: use a name such as Europe/London or UTC.")
    files.link(tree, "/etc/localtime", f"/usr/share/zoneinfo/{zone}")
    files.write(tree, "/etc/timezone", f"{zone}\n")


def _copy_guest_files(tree: Path) -> list[str]:
    """Copy our own units and their scripts into the machine; returns the units to enable."""
    units = []
    for file in sorted(_GUEST_FILES.iterdir()):
        if file.suffix == ".service":
            files.write(tree, f"/usr/lib/systemd/system/{file.name}", file.read_bytes())
            units.append(file.name)
        elif file.suffix == ".sh":
            files.write(tree, f"/usr/lib/ingot/{file.stem}", file.read_bytes(), mode=0o755)
    return units
