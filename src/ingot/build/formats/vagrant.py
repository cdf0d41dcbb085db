"""Vagrant boxes, for VirtualBox and for libvirt."""

import json
from pathlib import Path

from ingot.build.errors import BuildError
from ingot.build.formats.archive import archive
from ingot.build.formats.base import Source
from ingot.build.formats.hardware import Flavour, descriptor, mac_address
from ingot.build.formats.options import FormatOptions
from ingot.build.formats.ova import write_disks
from ingot.build.formats.qcow2 import write_qcow2
from ingot.build.template import Package, SshKey, Template, User

_GIB = 1 << 30
#: Published by Vagrant for boxes that anybody may use: Vagrant replaces it when the machine first runs.
_INSECURE_KEY = (
    "ssh-rsa AAAAB3NzaC1yc2EAAAABIwAAAQEA6NF8iallvQVp22WDkTkyrtvp9eWW6A8YVr+kz4TjGYe7gHzIw+niNltGEFHzD8+v1I2YJ6oXevct"
    "1YeS0o9HZyN1Q9qgCgzUFtdOKLv6IedplqoPkcmF0aYet2PkEDo3MlTBckFXPITAMzF8dJSIFo9D8HfdOV0IAdx4O7PtixWKn5y2hMNG0zQPyUecp4"
    "pzC6kivAIhyfHilFR61RGL+GPXQ2MWZWFYbAGjyiYJnAmCP3NOTd0jMZEnDkbUvxhMmBYSdETk1rRgm+R4LOzFUGaHqHDLKLX+FIPKcF96hrucXzcW"
    "yLbIbEgE98OHlnVYCzRdK8jlqm8tehUc9c9WhQ== vagrant insecure public key"
)


def prepare(template: Template, options: FormatOptions) -> Template:
    """The template with the user that `vagrant ssh` logs in as: `vagrant` with the public key that everybody knows,
    or a user of one's own with a key of one's own.
    """
    own = options.vagrant_user
    name = own.name if own else "vagrant"
    key = own.public_key if own else _INSECURE_KEY
    keys = (SshKey(name="vagrant", public_key=key),) if key else ()
    users = {user.name: user for user in template.installation.users}
    known = users.get(name)
    if own and known is None and not key:
        raise BuildError(
            f"The box is for user {name}, whom the template does not have: give an SSH key, or add the user."
        )
    if known is None:
        known = User(name=name, full_name="Vagrant", password=None if own else "vagrant")
    users[name] = known.model_copy(update={"sudo": 2, "ssh_keys": (*known.ssh_keys, *keys)})
    installation = template.installation.model_copy(update={"users": tuple(users.values())})
    chosen = {package.name for package in template.os.pkgs}
    added = tuple(Package(name=name) for name in ("openssh-server", "sudo") if name not in chosen)
    system = template.os.model_copy(update={"pkgs": (*template.os.pkgs, *added)})
    return template.model_copy(update={"installation": installation, "os": system})


def write_virtualbox(source: Source, output: Path) -> str:
    """Write a Vagrant box for VirtualBox."""
    flavour = Flavour(virtualbox=True)
    disks = write_disks(source, source.work)
    with archive(output, source.epoch, level=0) as (tar, file):
        tar.add("metadata.json", _json({"provider": "virtualbox"}))
        tar.add("Vagrantfile", _vagrantfile(source, f'  config.vm.base_mac = "{mac_address(source)}"\n'))
        tar.add("box.ovf", descriptor(source, disks, flavour))
        for disk in disks:
            tar.add_file(disk.name, source.work / disk.name)
            (source.work / disk.name).unlink()
    return file.sha256


def write_libvirt(source: Source, output: Path) -> str:
    """Write a Vagrant box for libvirt."""
    sizes = [raw.stat().st_size for raw in source.disks]
    names = ["box.img"] if len(sizes) == 1 else [f"box_{number}.img" for number in range(1, len(sizes) + 1)]
    metadata: dict[str, object] = {"provider": "libvirt", "format": "qcow2", "virtual_size": -(-sizes[0] // _GIB)}
    if len(sizes) > 1:
        metadata = {"provider": "libvirt", "disks": [{"path": name, "format": "qcow2"} for name in names]}
    settings = (
        "  config.vm.provider :libvirt do |libvirt|\n"
        f"    libvirt.memory = {source.options.memory}\n    libvirt.cpus = {source.options.cpus}\n"
        '    libvirt.disk_bus = "virtio"\n  end\n'
    )
    with archive(output, source.epoch, level=0) as (tar, file):
        tar.add("metadata.json", _json(metadata))
        tar.add("Vagrantfile", _vagrantfile(source, settings))
        for number, (name, raw) in enumerate(zip(names, source.disks, strict=True)):
            part = source.work / name
            with source.look(raw) as known:
                write_qcow2(raw, part, compress=True, known=known, on_progress=source.share(number))
            tar.add_file(name, part)
            part.unlink()
    return file.sha256


def _vagrantfile(source: Source, settings: str) -> str:
    user = source.options.vagrant_user
    login = f"  config.ssh.username = {json.dumps(user.name)}\n  config.ssh.insert_key = false\n" if user else ""
    folder = '  config.vm.synced_folder ".", "/vagrant", disabled: true\n'
    return f'Vagrant.configure("2") do |config|\n{settings}{login}{folder}end\n'


def _json(document: object) -> str:
    return json.dumps(document, indent=2, sort_keys=True) + "\n"
