"""Every format by its name: those of the API, and those that only the command line knows."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from ingot.build.errors import BuildError
from ingot.build.formats import launch, live, oci, ova, raw, rootfs, vagrant, vdi, vhd, vhdx, vmdk
from ingot.build.formats.base import ImageFormat, Source
from ingot.build.formats.hardware import Flavour
from ingot.build.formats.qcow2 import write_qcow2

_GIB, _BYTE = 1 << 30, 1
_VIRTUALBOX = Flavour(virtualbox=True)


def _qcow2(source: Source, output: Path) -> None:
    with source.look(source.disk) if source.compress else nullcontext() as known:
        write_qcow2(source.disk, output, compress=source.compress, known=known, on_progress=source.on_progress)


def _vmdk(source: Source, output: Path) -> None:
    vmdk.write_sparse(source.disk, output, uuid=source.disk_uuid(), on_progress=source.on_progress)


def _vdi(source: Source, output: Path) -> str:
    return vdi.write_vdi(source.disk, output, uuid=source.disk_uuid(), on_progress=source.on_progress)


def _vhdx(source: Source, output: Path) -> str:
    return vhdx.write_vhdx(source.disk, output, uuid=source.disk_uuid(), on_progress=source.on_progress)


def _fixed_vhd(source: Source, output: Path) -> str:
    uuid = source.disk_uuid()
    return vhd.write_fixed(source.disk, output, uuid=uuid, epoch=source.epoch, on_progress=source.on_progress)


def _ova(source: Source, output: Path) -> None:
    ova.write_ova(source, output, Flavour())


def _virtualbox_ova(source: Source, output: Path) -> None:
    ova.write_ova(source, output, _VIRTUALBOX)


def _google(source: Source, output: Path) -> str:
    return raw.write_disk_archive(source, output, "disk.raw", _GIB)


def _oracle(source: Source, output: Path) -> str:
    return raw.write_disk_archive(source, output, f"{source.name}.raw", _BYTE)


_RAW = ImageFormat("raw", "the raw disk", ".raw.gz", raw.write_raw, "BIOS and UEFI", ".raw")
_QCOW2 = ImageFormat("qcow2", "a QEMU disk, its clusters compressed with zstd", ".qcow2", _qcow2, "BIOS and UEFI")
_VHD = ImageFormat(
    "vhd", "a growing VHD", ".vhd.gz", vhd.write, "converted back: the same bytes; booted with BIOS", ".vhd"
)
_SAME = "converted back: the same bytes"
_OVA = ImageFormat(
    "ovf",
    "an OVA: descriptor, stream-optimised VMDK disks, manifest",
    ".ova",
    _ova,
    "unpacked, checked against DSP0243, booted",
    tools=("open-vm-tools",),
    several_disks=True,
)
_OCI = ImageFormat(
    "oci",
    "an OCI archive of two layers, without kernel and init",
    ".oci.tar",
    oci.write_oci,
    "pushed to a registry by skopeo; its entrypoint run in a namespace",
    type="container",
    needs="tree",
    system="application",
)
_FORMATS = (
    _RAW,
    _QCOW2,
    _VHD,
    ImageFormat("vhdx", "a growing VHDX", ".vhdx", _vhdx, _SAME),
    ImageFormat("vmdk", "a growing VMDK in one file", ".vmdk", _vmdk, _SAME),
    ImageFormat("vdi", "a growing VDI", ".vdi", _vdi, _SAME),
    ImageFormat(
        "kvm",
        "a tar.gz with qcow2 disks and launch.sh",
        ".tar.gz",
        launch.write_kvm,
        "booted by its launch.sh",
        tools=("qemu-guest-agent",),
        several_disks=True,
    ),
    ImageFormat(
        "xen",
        "a tar.gz with raw disks and a configuration for xl",
        ".tar.gz",
        launch.write_xen,
        _SAME,
        several_disks=True,
    ),
    ImageFormat(
        "hyper-v",
        "a tar.gz with VHDX disks and create-vm.ps1",
        ".tar.gz",
        launch.write_hyper_v,
        _SAME,
        tools=("hyperv-daemons",),
        several_disks=True,
    ),
    _OVA,
    replace(_OVA, name="vcenter"),
    replace(_OVA, name="cloudstackova", type="cloud", tools=("cloud-init", "open-vm-tools")),
    replace(_OVA, name="xenserver", tools=()),
    replace(_OVA, name="vbox", write=_virtualbox_ova, tools=()),
    ImageFormat(
        "vmware",
        "a tar.gz with a VMX file and growing VMDK disks",
        ".tar.gz",
        ova.write_vmware,
        _SAME,
        tools=("open-vm-tools",),
        several_disks=True,
    ),
    ImageFormat(
        "vagrant",
        "a Vagrant box for VirtualBox",
        ".box",
        vagrant.write_virtualbox,
        "metadata and keys checked",
        several_disks=True,
        prepare=vagrant.prepare,
    ),
    ImageFormat(
        "vagrant-libvirt",
        "a Vagrant box for libvirt",
        ".libvirt.box",
        vagrant.write_libvirt,
        "metadata and keys checked",
        several_disks=True,
        prepare=vagrant.prepare,
    ),
    replace(_RAW, name="aws", type="cloud", tools=("cloud-init", "amazon-ec2-utils")),
    replace(_RAW, name="outscale", type="cloud", tools=("cloud-init",)),
    ImageFormat(
        "azure",
        "a fixed VHD of whole MiB",
        ".vhd",
        _fixed_vhd,
        _SAME,
        type="cloud",
        tools=("cloud-init", "waagent", "hyperv-daemons"),
    ),
    ImageFormat(
        "google",
        "a tar.gz with a sparse disk.raw of whole GiB, in GNU's old format",
        ".tar.gz",
        _google,
        "unpacked by GNU tar: the same bytes",
        type="cloud",
        tools=("cloud-init", "google-guest-agent"),
    ),
    ImageFormat(
        "oracleraw",
        "a tar.gz with the sparse raw disk",
        ".tar.gz",
        _oracle,
        "unpacked by GNU tar: the same bytes",
        type="cloud",
        tools=("cloud-init",),
    ),
    replace(_QCOW2, name="openstackqcow2", type="cloud", tools=("cloud-init", "qemu-guest-agent")),
    ImageFormat(
        "openstackvmdk",
        "a growing VMDK in one file",
        ".vmdk",
        _vmdk,
        _SAME,
        type="cloud",
        tools=("cloud-init", "open-vm-tools"),
    ),
    ImageFormat("openstackvdi", "a growing VDI", ".vdi", _vdi, _SAME, type="cloud", tools=("cloud-init",)),
    replace(_VHD, name="openstackvhd", type="cloud", tools=("cloud-init",), plain_suffix=".vhd"),
    replace(_QCOW2, name="cloudstackqcow2", type="cloud", tools=("cloud-init", "qemu-guest-agent")),
    replace(_VHD, name="cloudstackvhd", type="cloud", tools=("cloud-init",)),
    ImageFormat(
        "targz",
        "the whole root file system as a tar.gz",
        ".tar.gz",
        rootfs.write_targz,
        "unpacked; its programs run in a namespace",
        needs="tree",
    ),
    ImageFormat(
        "lxc",
        "a container for Incus, LXD and LXC, without kernel and boot loader",
        ".tar.gz",
        rootfs.write_lxc,
        "started by LXC where the machine allows it, and its programs run in a namespace",
        type="container",
        needs="tree",
        system="container",
    ),
    _OCI,
    replace(_OCI, name="docker"),
    replace(_OCI, name="openshift"),
    ImageFormat(
        "ISO",
        "a medium that runs the machine or installs it, for BIOS and UEFI",
        ".iso",
        live.write_iso,
        "run live with UEFI; installed with BIOS to an empty disk, which is booted",
        type="physical",
        needs="both",
    ),
    ImageFormat(
        "PXE",
        "kernel, initial RAM disk, root file system and boot.ipxe, file by file",
        "",
        live.write_pxe,
        "booted by iPXE over HTTP",
        type="physical",
        needs="both",
        several_files=True,
    ),
)

FORMATS: dict[str, ImageFormat] = {entry.name: entry for entry in _FORMATS}

#: Formats of the API for what nobody can run any more, with what to use instead.
OBSOLETE: dict[str, str] = {
    "cloudburstvmware": "use ovf",
    "cloudsigmaraw": "use raw",
    "cloudwatt": "the cloud was closed; use openstackqcow2",
    "esx": "use ovf or vcenter",
    "hyperv2012": "use hyper-v or vhd",
    "k5vmdk": "the cloud was closed; use openstackvmdk",
    "ovf09": "use ovf",
    "susecloud": "use openstackqcow2",
    "vcloud": "use ovf",
}


def find_format(name: str) -> ImageFormat:
    """The format of a name, in any case; raises BuildError, which names what there is."""
    for entry in FORMATS.values():
        if entry.name.lower() == name.lower():
            return entry
    if name in OBSOLETE:
        raise BuildError(f"The format {name} is obsolete: {OBSOLETE[name]}.")
    raise BuildError(f"There is no format {name}. Known are: {', '.join(sorted(FORMATS))}.")


#: What a file's name ends with, for formats that have a suffix of their own, and whether it is the compressed form.
_SUFFIXES: dict[str, tuple[str, bool]] = {
    ".raw": ("raw", False),
    ".img": ("raw", False),
    ".raw.gz": ("raw", True),
    ".img.gz": ("raw", True),
    ".qcow2": ("qcow2", True),
    ".vhd": ("vhd", False),
    ".vhd.gz": ("vhd", True),
    ".vhdx": ("vhdx", True),
    ".vmdk": ("vmdk", True),
    ".vdi": ("vdi", True),
    ".ova": ("ovf", True),
    ".iso": ("ISO", True),
    ".oci.tar": ("oci", True),
    ".tar.gz": ("targz", True),
    ".libvirt.box": ("vagrant-libvirt", True),
    ".box": ("vagrant", True),
}


def format_of_file(name: str) -> tuple[ImageFormat, bool] | None:
    """(format, whether compressed) that follows from the name of a file."""
    for suffix in sorted(_SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            known, compress = _SUFFIXES[suffix]
            return FORMATS[known], compress
    return None


def suffixes() -> list[str]:
    """What the names of files can end with."""
    return sorted(_SUFFIXES)
