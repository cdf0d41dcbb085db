"""The machine's network: systemd-networkd, DHCP unless the template says otherwise."""

import ipaddress
from pathlib import Path

from ingot.build.errors import BuildError
from ingot.build.template import Installation, IpAddress, Nic
from ingot.build.tree import files

#: With interfaces named by the template their order must be the kernel's: eth0 is the first.
KERNEL_NAMES_PARAMETER = "net.ifnames=0"


def set_up_network(tree: Path, installation: Installation) -> None:
    """Write the name resolver's link and one configuration per interface."""
    if not installation.nics:
        content = "[Match]\nType=ether\n\n[Network]\nDHCP=yes\n\n[DHCPv4]\nUseDomains=yes\n"
        files.write(tree, "/etc/systemd/network/80-dhcp.network", content)
    ordered = sorted(enumerate(installation.nics), key=lambda item: (item[1].order or 0, item[0]))
    for index, (_, nic) in enumerate(ordered):
        files.write(tree, f"/etc/systemd/network/10-eth{index}.network", _network_file(f"eth{index}", nic))
    files.link(tree, "/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf")


def _network_file(device: str, nic: Nic) -> str:
    dhcp = {(True, True): "yes", (True, False): "ipv4", (False, True): "ipv6", (False, False): "no"}
    link = "" if nic.auto_connect else "\n[Link]\nActivationPolicy=manual\n"
    lines = ["[Network]", f"DHCP={dhcp[nic.ipv4 == 'dhcp', nic.ipv6 == 'dhcp']}"]
    if nic.ipv6 == "disabled":
        lines += ["LinkLocalAddressing=no", "IPv6AcceptRA=no"]
    for address in nic.ip_addresses:
        wanted = nic.ipv4 if address.version == 4 else nic.ipv6
        if wanted == "static":
            lines.append(f"Address={_interface_address(nic, address)}")
            if address.gateway:
                lines.append(f"Gateway={address.gateway}")
    return f"[Match]\nName={device}\n{link}\n" + "\n".join(lines) + "\n"


def _interface_address(nic: Nic, address: IpAddress) -> str:
    text = f"{address.address}/{address.netmask}" if address.netmask else address.address
    try:
        return str(ipaddress.ip_interface(text))
    except ValueError as error:
        raise BuildError(f"Network interface {nic.name or nic.order}: {text} is no address: {error}.") from error
