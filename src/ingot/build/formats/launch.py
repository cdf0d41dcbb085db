"""Disks with what launches them: a script for QEMU and KVM, a configuration for Xen, a script for Hyper-V."""

import shlex
from pathlib import Path

from ingot.build.formats import vhdx
from ingot.build.formats.archive import archive
from ingot.build.formats.base import Source
from ingot.build.formats.blocks import Disk
from ingot.build.formats.qcow2 import write_qcow2


def write_kvm(source: Source, output: Path) -> str:
    """Write a tar.gz of qcow2 disks and a script that launches them."""
    names = [source.file_name(number, "qcow2") for number in range(1, len(source.disks) + 1)]
    with archive(output, source.epoch, level=0) as (tar, file):
        for number, (name, raw) in enumerate(zip(names, source.disks, strict=True)):
            part = source.work / name
            with source.look(raw) as known:
                write_qcow2(raw, part, compress=True, known=known, on_progress=source.share(number))
            tar.add_file(name, part)
            part.unlink()
        tar.add("launch.sh", _launch_script(source, names), mode=0o755)
    return file.sha256


def _launch_script(source: Source, names: list[str]) -> str:
    drives = "".join(f"  -drive file={shlex.quote(name)},if=virtio,format=qcow2 \\\n" for name in names)
    return (
        "#!/bin/sh\n"
        f"# Run {source.name} under QEMU, with KVM where there is one. Arguments go to QEMU, such as\n"
        "# -display none -serial stdio. SSH of the machine is at port 2222 of this computer (SSH_PORT=…).\n"
        'cd "$(dirname "$0")" || exit 1\n'
        "accelerator=tcg\n[ -w /dev/kvm ] && accelerator=kvm\n"
        'exec qemu-system-x86_64 -accel "${ACCELERATOR:-$accelerator}" -cpu max \\\n'
        f'  -m "${{MEMORY:-{source.options.memory}}}" -smp "${{CPUS:-{source.options.cpus}}}" \\\n'
        f"{drives}"
        '  -nic "user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:${SSH_PORT:-2222}-:22" \\\n'
        '  -device virtio-rng-pci "$@"\n'
    )


def write_xen(source: Source, output: Path) -> str:
    """Write a tar.gz of raw disks and a configuration for `xl create`."""
    names = [source.file_name(number, "raw") for number in range(1, len(source.disks) + 1)]
    drives = ", ".join(f"'file:{name},xvd{chr(97 + index)},w'" for index, name in enumerate(names))
    configuration = (
        f"name = '{source.name}'\ntype = 'hvm'\nmemory = {source.options.memory}\nvcpus = {source.options.cpus}\n"
        f"disk = [{drives}]\nvif = ['']\nserial = 'pty'\n"
    )
    with archive(output, source.epoch) as (tar, file):
        tar.add(f"{source.name}.cfg", configuration)
        for number, (name, raw) in enumerate(zip(names, source.disks, strict=True)):
            with Disk(raw) as disk:
                tar.add_sparse(name, disk, disk.size, source.share(number))
    return file.sha256


def write_hyper_v(source: Source, output: Path) -> str:
    """Write a tar.gz of VHDX disks and a script for PowerShell that makes the machine."""
    names = [source.file_name(number, "vhdx") for number in range(1, len(source.disks) + 1)]
    with archive(output, source.epoch) as (tar, file):
        tar.add("create-vm.ps1", _hyper_v_script(source, names))
        for number, (name, raw) in enumerate(zip(names, source.disks, strict=True)):
            part = source.work / name
            vhdx.write_vhdx(raw, part, uuid=source.disk_uuid(number))
            tar.add_file(name, part, source.share(number))
            part.unlink()
    return file.sha256


def _hyper_v_script(source: Source, names: list[str]) -> str:
    lines = [
        "# Makes a machine of the second generation from the disks beside this script.",
        f"param([string]$Name = '{source.name}', [string]$SwitchName)",
        f"New-VM -Name $Name -Generation 2 -MemoryStartupBytes {source.options.memory}MB "
        f'-VHDPath "$PSScriptRoot\\{names[0]}"',
        f"Set-VMProcessor -VMName $Name -Count {source.options.cpus}",
        "Set-VMFirmware -VMName $Name -SecureBootTemplate MicrosoftUEFICertificateAuthority",
        *(f'Add-VMHardDiskDrive -VMName $Name -Path "$PSScriptRoot\\{name}"' for name in names[1:]),
        "if ($SwitchName) { Connect-VMNetworkAdapter -VMName $Name -SwitchName $SwitchName }",
    ]
    return "".join(f"{line}\r\n" for line in lines)
