"""What protects the machine: its packet filter, and SELinux where it is."""

import re
from collections.abc import Mapping
from pathlib import Path

from ingot.build.errors import BuildError
from ingot.build.sandbox import run_in_tree
from ingot.build.template import Installation
from ingot.build.tree import files

#: What has to be installed for a firewall.
FIREWALL_PACKAGES = ("nftables",)
_FILTERS = ("nftables.service", "firewalld.service", "ufw.service")
_RULES = """\
#!/usr/sbin/nft -f
# What comes in: answers, SSH, ping, and what IPv6 cannot do without. Add what the machine serves.

flush ruleset

table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        ct state invalid drop
        iifname "lo" accept
        meta l4proto { icmp, ipv6-icmp } accept
        udp dport 546 accept comment "DHCPv6"
        tcp dport 22 accept
    }
    chain forward {
        type filter hook forward priority filter; policy drop;
    }
}
"""
_SELINUX = "/etc/selinux/config"


def set_up_firewall(tree: Path, installation: Installation, env: Mapping[str, str], log: Path) -> list[str]:
    """Let in what may come in, or everything; returns the units to enable. Without a word, it is left as it is."""
    if installation.firewall is None:
        return []
    if installation.firewall:
        has_sysconfig = files.inside(tree, "/etc/sysconfig").is_dir()
        files.write(
            tree, "/etc/sysconfig/nftables.conf" if has_sysconfig else "/etc/nftables.conf", _RULES, mode=0o755
        )
        return [_FILTERS[0]]
    present = [unit for unit in _FILTERS if files.inside(tree, f"/usr/lib/systemd/system/{unit}").exists()]
    if present:
        run_in_tree(tree, ["systemctl", "disable", *present], env=env, log=log)
    return []


def set_selinux_mode(tree: Path, installation: Installation) -> None:
    """Set SELinux's mode on a machine that has it; raises BuildError for one that has not and shall enforce."""
    mode = installation.se_linux_mode
    if mode is None:
        return
    file = files.inside(tree, _SELINUX)
    if file.is_file():
        text = re.sub(r"(?m)^SELINUX=.*$", f"SELINUX={mode}", file.read_text(encoding="utf-8"))
        files.write(tree, _SELINUX, text)
    elif mode == "enforcing":
        raise BuildError(
            "The machine has no SELinux to enforce: add the packages that bring it and its policy (in Debian "
            "selinux-basics and selinux-policy-default), or make seLinuxMode disabled."
        )
