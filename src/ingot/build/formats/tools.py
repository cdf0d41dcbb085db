"""The agents of platforms: what a machine needs to work well where its format is for."""

from dataclasses import dataclass

DEB, RPM = "application/x-debian-package", "application/x-rpm"


@dataclass(frozen=True)
class Tool:
    """An agent. `packages` are its packages by the type of packages that a distribution has; those that a distribution
    does not offer are left out.
    """

    name: str
    description: str
    packages: dict[str, tuple[str, ...]]


TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            "cloud-init",
            "Sets a machine up by what its cloud says of it",
            {DEB: ("cloud-init", "openssh-server"), RPM: ("cloud-init", "openssh-server")},
        ),
        Tool(
            "qemu-guest-agent",
            "Lets QEMU and OpenStack shut a machine down and freeze its file systems",
            {DEB: ("qemu-guest-agent",), RPM: ("qemu-guest-agent",)},
        ),
        Tool(
            "open-vm-tools",
            "Lets VMware's products see and steer a machine",
            {DEB: ("open-vm-tools",), RPM: ("open-vm-tools",)},
        ),
        Tool(
            "hyperv-daemons",
            "Lets Hyper-V and Azure see and steer a machine",
            {DEB: ("hyperv-daemons",), RPM: ("hyperv-daemons",)},
        ),
        Tool("waagent", "Azure's agent", {DEB: ("waagent",), RPM: ("WALinuxAgent",)}),
        Tool(
            "google-guest-agent",
            "Google Compute Engine's agent",
            {DEB: ("google-guest-agent",), RPM: ("google-guest-agent",)},
        ),
        Tool("amazon-ec2-utils", "Names for the disks of Amazon's machines", {DEB: ("amazon-ec2-utils",)}),
    )
}


def packages_of(tools: tuple[str, ...], package_type: str) -> tuple[str, ...]:
    """The packages that bring some tools, each once."""
    names = [name for tool in tools for name in TOOLS[tool].packages.get(package_type, ())]
    return tuple(dict.fromkeys(names))
