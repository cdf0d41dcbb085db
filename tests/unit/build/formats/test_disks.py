"""Disks in every format, read back by QEMU and by GNU tar: the same bytes, and the same file every time."""

import gzip
import hashlib
import json
import os
import random
import shutil
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from ingot.build.errors import BuildError
from ingot.build.formats.base import Source
from ingot.build.formats.options import HARDWARE_VERSIONS, FormatOptions, VagrantUser, parse_entrypoint
from ingot.build.formats.registry import FORMATS, find_format, format_of_file
from ingot.build.formats.vagrant import prepare
from ingot.build.formats.write import Target, write, write_all
from ingot.build.template import Template
from tests.build.formats import EPOCH, small_template, source_of

_QEMU = {".raw": "raw", ".qcow2": "qcow2", ".vhd": "vpc", ".vhdx": "vhdx", ".vmdk": "vmdk", ".vdi": "vdi"}
_MIB = 1 << 20
OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
RASD = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"


def _make_disk(path: Path, size: int, seed: int) -> Path:
    """A disk with data, zeros that are written, and holes, at places that fit no block."""
    noise = random.Random(seed)  # noqa: S311
    with path.open("wb") as file:
        file.truncate(size)
        for _ in range(12):
            file.seek(noise.randrange(0, size - 200_000, 512))
            file.write(noise.randbytes(noise.randrange(1, 300) * 512))
            file.write(bytes(noise.randrange(1, 40) * 4096))
        file.truncate(size)
        file.seek(size - 4096)
        file.write(noise.randbytes(4096))
    return path


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _make_disk(tmp_path_factory.mktemp("disk") / "disk.raw", 67 * _MIB, 1)


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _make_disk(tmp_path_factory.mktemp("disk") / "disk-2.raw", 9 * _MIB, 2)


def _written(source: Source, name: str, output: Path, **changes: object) -> Path:
    (file,) = write(Target(find_format(name), replace(source, **changes), output))  # type: ignore[arg-type]
    assert file.sha256 == hashlib.sha256(file.path.read_bytes()).hexdigest()
    assert file.size == file.path.stat().st_size
    return file.path


def _assert_same(file: Path, disk: Path, kind: str) -> None:
    """QEMU finds no fault with a file, and reads what the disk has."""
    info = subprocess.run(["qemu-img", "info", "--output=json", "-f", kind, file], capture_output=True, check=True)
    assert json.loads(info.stdout)["virtual-size"] == disk.stat().st_size
    if kind not in ("raw", "vpc"):
        subprocess.run(["qemu-img", "check", "-q", "-f", kind, file], check=True)
    subprocess.run(["qemu-img", "compare", "-q", "-f", kind, "-F", "raw", file, disk], check=True)


SINGLE = sorted(name for name, entry in FORMATS.items() if entry.needs == "disks" and not entry.several_disks)
TOGETHER = sorted(name for name, entry in FORMATS.items() if entry.needs == "disks" and entry.several_disks)


@pytest.mark.parametrize("name", [name for name in SINGLE if name not in ("google", "oracleraw")])
@pytest.mark.parametrize("compress", [True, False])
def test_the_disk_comes_back(disk: Path, tmp_path: Path, name: str, compress: bool) -> None:
    entry = FORMATS[name]
    suffix = entry.file_suffix(compress)
    source = source_of((disk,), tmp_path / "work", compress=compress)
    file = _written(source, name, tmp_path / f"image{suffix}")
    again = _written(source, name, tmp_path / f"again{suffix}")
    if suffix.endswith(".vmdk"):
        # It has its own name inside.
        again = _written(source, name, (tmp_path / "other"), work=tmp_path / "work")
        (tmp_path / "directory").mkdir()
        again = _written(source, name, tmp_path / "directory" / file.name)
    assert file.read_bytes() == again.read_bytes()
    if suffix.endswith(".gz"):
        subprocess.run(["gzip", "-dk", file], check=True)
        file = file.with_suffix("")
    _assert_same(file, disk, _QEMU[file.suffix])


def test_holes_do_not_matter(disk: Path, tmp_path: Path) -> None:
    """A copy of the disk whose zeros are written is the same disk."""
    solid = tmp_path / "solid.raw"
    subprocess.run(["cp", "--sparse=never", disk, solid], check=True)
    for name in ("vhd", "vhdx", "vdi", "google", "vmware", "raw", "ovf"):
        files = [
            _written(source_of((raw,), tmp_path / "work"), name, tmp_path / f"{raw.name}.{name}")
            for raw in (disk, solid)
        ]
        assert files[0].read_bytes() == files[1].read_bytes(), name


def test_azure_has_whole_mebibytes(tmp_path: Path) -> None:
    odd = _make_disk(tmp_path / "odd.raw", 5 * _MIB + 512, 3)
    file = _written(source_of((odd,), tmp_path / "work"), "azure", tmp_path / "image.vhd")
    assert file.stat().st_size == 6 * _MIB + 512
    footer = file.read_bytes()[-512:]
    assert (footer[:8], int.from_bytes(footer[48:56]), int.from_bytes(footer[60:64])) == (b"conectix", 6 * _MIB, 2)
    # As the specification has it: the ones' complement of the sum of all bytes but the checksum's.
    assert int.from_bytes(footer[64:68]) == ~(sum(footer) - sum(footer[64:68])) & 0xFFFFFFFF


@pytest.mark.parametrize(("name", "member", "step"), [("google", "disk.raw", 1 << 30), ("oracleraw", None, 1)])
def test_clouds_get_a_sparse_archive(disk: Path, tmp_path: Path, name: str, member: str | None, step: int) -> None:
    file = _written(source_of((disk,), tmp_path / "work"), name, tmp_path / "image.tar.gz")
    assert file.stat().st_size < 8 * _MIB
    subprocess.run(["tar", "-xzf", file, "-C", tmp_path], check=True)
    unpacked = tmp_path / (member or "Small-quick-1.0.raw")
    size = -(-disk.stat().st_size // step) * step
    assert unpacked.stat().st_size == size
    assert unpacked.stat().st_blocks * 512 < 30 * _MIB
    with disk.open("rb") as one, unpacked.open("rb") as other:
        assert one.read() == other.read(disk.stat().st_size)
        assert not any(other.read())
    with gzip.open(file) as content:
        header = content.read(512)
    # The old format of GNU: what Google asks for.
    assert header[257:265] == b"ustar  \0"
    assert header[156:157] == b"S"


def _items(descriptor: bytes) -> tuple[etree._Element, list[dict[str, str]]]:
    root = etree.fromstring(descriptor)
    items = [{str(part.tag).removeprefix(RASD): part.text or "" for part in item} for item in root.iter(f"{OVF}Item")]
    return root, items


@pytest.mark.parametrize("name", ["ovf", "vbox", "vcenter", "cloudstackova", "xenserver"])
def test_packages_keep_to_the_rules(disk: Path, second: Path, tmp_path: Path, name: str) -> None:
    """DSP0243: the descriptor first, files as it lists them, the manifest last; elements in the schemas' order."""
    file = _written(source_of((disk, second), tmp_path / "work"), name, tmp_path / "image.ova")
    with tarfile.open(file) as package:
        members = package.getmembers()
        content = {member.name: package.extractfile(member).read() for member in members}  # type: ignore[union-attr]
    assert [member.name.rpartition(".")[2] for member in members] == ["ovf", "vmdk", "vmdk", "mf"]
    assert {(member.mtime, member.uid, member.mode) for member in members} == {(EPOCH, 0, 0o644)}
    assert file.read_bytes()[257:265] == b"ustar\x0000"
    sums = dict(line.split("= ") for line in content[members[-1].name].decode().splitlines())
    algorithm = "sha256" if name == "vbox" else "sha1"
    assert sums == {
        f"{algorithm.upper()}({member.name})": hashlib.new(algorithm, content[member.name]).hexdigest()
        for member in members[:-1]
    }
    root, items = _items(content[members[0].name])
    assert [child.tag.removeprefix(OVF) for child in root] == [
        "References", "DiskSection", "NetworkSection", "VirtualSystem"
    ]  # fmt: skip
    files = {entry.get(f"{OVF}id"): entry for entry in root.iter(f"{OVF}File")}
    disks = list(root.iter(f"{OVF}Disk"))
    for raw, entry in zip((disk, second), disks, strict=True):
        reference = files[entry.get(f"{OVF}fileRef")]
        vmdk = tmp_path / str(reference.get(f"{OVF}href"))
        vmdk.write_bytes(content[vmdk.name])
        assert int(reference.get(f"{OVF}size", "")) == vmdk.stat().st_size
        assert int(entry.get(f"{OVF}capacity", "")) == raw.stat().st_size
        _assert_same(vmdk, raw, "vmdk")
    identifiers = {f"ovf:/disk/{entry.get(f'{OVF}diskId')}" for entry in disks}
    assert {item["HostResource"] for item in items if "HostResource" in item} == identifiers
    assert all(list(item) == sorted(item) for item in items)
    assert [item["InstanceID"] for item in items] == [str(number) for number in range(1, len(items) + 1)]
    by_type = {item["ResourceType"]: item for item in items}
    assert (by_type["3"]["VirtualQuantity"], by_type["4"]["VirtualQuantity"]) == ("2", "768")
    assert by_type["17"]["Parent"] == by_type.get("6", by_type.get("20", {}))["InstanceID"]


@pytest.mark.parametrize("version", HARDWARE_VERSIONS)
def test_hardware_versions(disk: Path, tmp_path: Path, version: int) -> None:
    small = tmp_path / "small.raw"
    with small.open("wb") as file:
        file.truncate(_MIB)
    source = source_of((small,), tmp_path / "work", options=FormatOptions(hardware_version=version))
    with tarfile.open(_written(source, "ovf", tmp_path / "image.ova")) as package:
        descriptor = package.extractfile(package.getmembers()[0]).read()  # type: ignore[union-attr]
    assert f"<vssd:VirtualSystemType>vmx-{version:02}<".encode() in descriptor
    _, items = _items(descriptor)
    controller = next(item for item in items if item["ResourceType"] == "6")
    assert controller["ResourceSubType"] == ("VirtualSCSI" if version >= 7 else "lsilogic")
    with tarfile.open(_written(source, "vmware", tmp_path / "image.tar.gz")) as package:
        vmx = package.extractfile("Small-quick-1.0/Small-quick-1.0.vmx").read().decode()  # type: ignore[union-attr]
    assert f'virtualHW.version = "{version}"' in vmx
    assert 'guestOS = "debian' in vmx or version < 7


@pytest.mark.parametrize("name", [name for name in TOGETHER if FORMATS[name].suffix != ".ova"])
def test_archives_have_every_disk(disk: Path, second: Path, tmp_path: Path, name: str) -> None:
    file = _written(source_of((disk, second), tmp_path / "work"), name, tmp_path / "image")
    again = _written(source_of((disk, second), tmp_path / "work2"), name, tmp_path / "again")
    assert file.read_bytes() == again.read_bytes()
    assert not list((tmp_path / "work").glob("*.*"))
    shutil.rmtree(tmp_path / "work")
    place = tmp_path / "unpacked"
    place.mkdir()
    subprocess.run(["tar", "-xf", file, "-C", place], check=True)
    kinds = {**_QEMU, ".img": "qcow2"}
    found = sorted(
        (path for path in place.rglob("*") if path.suffix in kinds), key=lambda path: (len(path.name), path)
    )
    assert len(found) == 2
    for path, raw in zip(found, (disk, second), strict=True):
        _assert_same(path, raw, kinds[path.suffix])


def test_a_launch_script_runs_the_machine(disk: Path, second: Path, tmp_path: Path) -> None:
    file = _written(source_of((disk, second), tmp_path / "work"), "kvm", tmp_path / "image.tar.gz")
    subprocess.run(["tar", "-xf", file, "-C", tmp_path], check=True)
    assert os.access(tmp_path / "launch.sh", os.X_OK)
    subprocess.run(["shellcheck", "-s", "sh", tmp_path / "launch.sh"], check=True)


@pytest.mark.parametrize(
    ("user", "login"), [(None, "vagrant"), (VagrantUser(name="carol", public_key="ssh-ed25519 AAAA carol"), "carol")]
)
def test_vagrant_boxes(disk: Path, tmp_path: Path, user: VagrantUser | None, login: str) -> None:
    options = FormatOptions(vagrant_user=user)
    for name, provider in (("vagrant", "virtualbox"), ("vagrant-libvirt", "libvirt")):
        file = _written(source_of((disk,), tmp_path / "work", options=options), name, tmp_path / f"{name}.box")
        with tarfile.open(file) as box:
            names = box.getnames()
            metadata = json.load(box.extractfile("metadata.json"))  # type: ignore[arg-type]
            vagrantfile = box.extractfile("Vagrantfile").read().decode()  # type: ignore[union-attr]
        assert metadata["provider"] == provider
        if provider == "libvirt":
            assert (metadata["format"], metadata["virtual_size"], names[-1]) == ("qcow2", 1, "box.img")
        else:
            assert "box.ovf" in names
            assert "config.vm.base_mac" in vagrantfile
        # Vagrant replaces the key that everybody has, and leaves one's own alone.
        assert ("insert_key = false" in vagrantfile) == (user is not None)
        assert (f'config.ssh.username = "{login}"' in vagrantfile) == (user is not None)
    prepared = prepare(small_template(), options)
    account = next(account for account in prepared.installation.users if account.name == login)
    assert account.sudo == 2
    assert [key.public_key for key in account.ssh_keys][-1].endswith(
        "vagrant insecure public key" if not user else "carol"
    )
    assert account.password == (None if user else "vagrant")
    assert "openssh-server" in {package.name for package in prepared.os.pkgs}


def test_a_vagrant_user_needs_a_way_in() -> None:
    options = FormatOptions(vagrant_user=VagrantUser(name="carol"))
    with pytest.raises(BuildError, match=r"carol.*SSH key"):
        prepare(small_template(), options)
    known = Template.model_validate(small_template(users=[{"name": "carol"}]).model_dump(by_alias=True))
    assert [account.name for account in prepare(known, options).installation.users] == ["carol"]


def test_several_disks_where_a_format_holds_one(disk: Path, second: Path, tmp_path: Path) -> None:
    source = source_of((disk, second), tmp_path / "work")
    files = write(Target(find_format("qcow2"), source, tmp_path / "image.qcow2"))
    assert [file.path.name for file in files] == ["image.qcow2", "image-2.qcow2"]
    _assert_same(files[1].path, second, "qcow2")
    (packed,) = write(Target(find_format("vhd"), source, tmp_path / "image.tar.gz", one_file=True))
    with tarfile.open(packed.path) as archive:
        assert archive.getnames() == ["Small-quick-1.0.vhd", "Small-quick-1.0-2.vhd"]
        for name in archive.getnames():
            archive.extract(name, tmp_path)
    _assert_same(tmp_path / "Small-quick-1.0-2.vhd", second, "vpc")
    uuids = {(tmp_path / f"Small-quick-1.0{end}.vhd").read_bytes()[68:84] for end in ("", "-2")}
    assert len(uuids) == 2


def test_several_formats_at_once(disk: Path, tmp_path: Path) -> None:
    targets = [
        Target(find_format(name), source_of((disk,), tmp_path / name), tmp_path / f"{name}.image")
        for name in ("qcow2", "vhdx", "ovf", "raw")
    ]
    together = write_all(targets)
    for (file,), target in zip(together, targets, strict=True):
        alone = write(replace(target, output=tmp_path / "alone"))
        assert alone[0].sha256 == file.sha256


def test_obsolete_and_unknown_formats_say_so() -> None:
    with pytest.raises(BuildError, match=r"k5vmdk is obsolete.*openstackvmdk"):
        find_format("k5vmdk")
    with pytest.raises(BuildError, match=r"no format floppy.*qcow2"):
        find_format("floppy")


@pytest.mark.parametrize(
    ("name", "format_", "compress"),
    [
        ("a.raw", "raw", False),
        ("a.img.gz", "raw", True),
        ("A.QCOW2", "qcow2", True),
        ("a.libvirt.box", "vagrant-libvirt", True),
        ("a.box", "vagrant", True),
        ("a.ova", "ovf", True),
        ("a.vhd", "vhd", False),
    ],
)
def test_formats_follow_from_names(name: str, format_: str, compress: bool) -> None:
    found = format_of_file(name)
    assert found is not None
    assert (found[0].name, found[1]) == (format_, compress)


def test_entrypoints() -> None:
    assert parse_entrypoint('["nginx", "-g", "daemon off;"]') == ("nginx", "-g", "daemon off;")
    for wrong in ("nginx", "[]", "[1]", '{"a": 1}'):
        with pytest.raises(ValueError, match="exec form"):
            parse_entrypoint(wrong)
