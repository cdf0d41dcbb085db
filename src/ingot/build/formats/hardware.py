"""The virtual machine around the disks: what VMware, VirtualBox and others are told about it."""

import re
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from ingot.build.formats.base import Source

#: (number of the CIM model, VMware's word without the release's number) by distribution.
_SYSTEMS = {
    "debian": (96, "debian"),
    "ubuntu": (94, "ubuntu"),
    "centos": (107, "centos"),
    "rocky": (80, "rhel"),
    "almalinux": (80, "rhel"),
    "rhel": (80, "rhel"),
    "fedora": (101, "fedora"),
}
_OTHER = (101, "otherLinux")
#: The newest Debian that a hardware version has a word for, by the first hardware version that does.
_NEWEST_DEBIAN = ((20, 12), (18, 11), (14, 10), (12, 9), (10, 8), (8, 7), (7, 5))
#: From this version on the machines have VMware's own disk controller and network card.
_PARAVIRTUAL = 7
#: Earlier products know nothing but SHA-1 in manifests.
_SHA256 = 13


@dataclass(frozen=True)
class Flavour:
    """For which product a machine is described."""

    virtualbox: bool = False


@dataclass(frozen=True)
class DiskFile:
    """A disk of the package: the name of its file, the file's size and the disk's in bytes."""

    name: str
    size: int
    capacity: int


def digest_name(source: Source, flavour: Flavour) -> str:
    """The hash that the manifest of a package uses."""
    return "sha256" if flavour.virtualbox or source.options.hardware_version >= _SHA256 else "sha1"


def mac_address(source: Source) -> str:
    """An address of the range that VirtualBox takes its own from: 12 hexadecimal digits."""
    return f"080027{source.identities.serial('network card') & 0xFFFFFF:06X}"


def vmware_guest(source: Source) -> str:
    """VMware's word for the operating system, as the hardware version knows it."""
    system, version = source.template.os, source.options.hardware_version
    _, word = _SYSTEMS.get(system.name.lower(), _OTHER)
    if word == "debian":
        newest = next((release for first, release in _NEWEST_DEBIAN if version >= first), 0)
        number = min(int(re.match(r"\d+", system.version + "0")[0]), newest) if newest else 0  # type: ignore[index]
        return f"debian{number}_64Guest" if number else "otherLinux64Guest"
    if word in ("rhel", "centos"):
        major = system.version.partition(".")[0]
        return f"{word}{major}_64Guest" if version >= 14 else f"{word}7_64Guest"
    return f"{word}64Guest" if word in ("otherLinux", "fedora") else f"{word}_64Guest".replace("ubuntu_", "ubuntu")


def descriptor(source: Source, disks: list[DiskFile], flavour: Flavour) -> str:
    """The OVF 1 descriptor of a machine, elements in the order that DSP0243 and the CIM schemas want."""
    name = escape(f"{source.template.name} {source.template.version}")
    number, _ = _SYSTEMS.get(source.template.os.name.lower(), _OTHER)
    files = "".join(
        f'    <File ovf:href={quoteattr(disk.name)} ovf:id="file{index}" ovf:size="{disk.size}"/>\n'
        for index, disk in enumerate(disks, 1)
    )
    entries = "".join(
        f'    <Disk ovf:capacity="{disk.capacity}" ovf:diskId="disk{index}" ovf:fileRef="file{index}" '
        'ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>\n'
        for index, disk in enumerate(disks, 1)
    )
    guest = "" if flavour.virtualbox else f' vmw:osType="{vmware_guest(source)}"'
    return f"""\
<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" \
xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" \
xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData" \
xmlns:vmw="http://www.vmware.com/schema/ovf">
  <References>
{files}  </References>
  <DiskSection>
    <Info>Virtual disks</Info>
{entries}  </DiskSection>
  <NetworkSection>
    <Info>Networks</Info>
    <Network ovf:name="NAT">
      <Description>The network of the first card</Description>
    </Network>
  </NetworkSection>
  <VirtualSystem ovf:id={quoteattr(source.name)}>
    <Info>A virtual machine</Info>
    <Name>{name}</Name>
    <OperatingSystemSection ovf:id="{number}"{guest}>
      <Info>The operating system</Info>
      <Description>{escape(f"{source.template.os.name} {source.template.os.version}")}</Description>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>Virtual hardware</Info>
      <System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>{escape(source.name)}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>{_system_type(source, flavour)}</vssd:VirtualSystemType>
      </System>
{_items(source, disks, flavour)}    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
"""


def _system_type(source: Source, flavour: Flavour) -> str:
    return "virtualbox-2.2" if flavour.virtualbox else f"vmx-{source.options.hardware_version:02}"


def _items(source: Source, disks: list[DiskFile], flavour: Flavour) -> str:
    options = source.options
    paravirtual = options.hardware_version >= _PARAVIRTUAL
    if flavour.virtualbox:
        controller = {"ElementName": "SATA controller", "ResourceSubType": "AHCI", "ResourceType": 20}
        card = "E1000"
    else:
        kind = "VirtualSCSI" if paravirtual else "lsilogic"
        controller = {"ElementName": "SCSI controller", "ResourceSubType": kind, "ResourceType": 6}
        card = "VmxNet3" if paravirtual else "E1000"
    items: list[dict[str, object]] = [
        {"AllocationUnits": "hertz * 10^6", "ElementName": f"{options.cpus} virtual CPU(s)", "ResourceType": 3,
         "VirtualQuantity": options.cpus},
        {"AllocationUnits": "byte * 2^20", "ElementName": f"{options.memory} MB of memory", "ResourceType": 4,
         "VirtualQuantity": options.memory},
        {"Address": 0, **controller},
        {"AutomaticAllocation": "true", "Connection": "NAT", "ElementName": "Network card", "ResourceSubType": card,
         "ResourceType": 10},
    ]  # fmt: skip
    for index in range(len(disks)):
        items.append({"AddressOnParent": index, "ElementName": f"Disk {index + 1}",
                      "HostResource": f"ovf:/disk/disk{index + 1}", "Parent": 3, "ResourceType": 17})  # fmt: skip
    return "".join(_item({**item, "InstanceID": number}) for number, item in enumerate(items, 1))


def _item(fields: dict[str, object]) -> str:
    lines = [f"        <rasd:{key}>{escape(str(fields[key]))}</rasd:{key}>\n" for key in sorted(fields)]
    return "      <Item>\n" + "".join(lines) + "      </Item>\n"


def vmx(source: Source, disks: list[str]) -> str:
    """The configuration file of VMware's desktop products."""
    options = source.options
    paravirtual = options.hardware_version >= _PARAVIRTUAL
    values = {
        ".encoding": "UTF-8",
        "config.version": "8",
        "virtualHW.version": options.hardware_version,
        "displayName": f"{source.template.name} {source.template.version}".replace('"', "'"),
        "guestOS": vmware_guest(source).removesuffix("Guest").replace("_", "-").lower(),
        "memsize": options.memory,
        "numvcpus": options.cpus,
        "firmware": "bios",
        "scsi0.present": "TRUE",
        "scsi0.virtualDev": "pvscsi" if paravirtual else "lsilogic",
        "ethernet0.present": "TRUE",
        "ethernet0.connectionType": "nat",
        "ethernet0.virtualDev": "vmxnet3" if paravirtual else "e1000",
        "ethernet0.addressType": "generated",
        "pciBridge0.present": "TRUE",
        "serial0.present": "FALSE",
    }
    for index, name in enumerate(disks):
        values |= {f"scsi0:{index}.present": "TRUE", f"scsi0:{index}.fileName": name}
    return "".join(f'{key} = "{value}"\n' for key, value in values.items())
