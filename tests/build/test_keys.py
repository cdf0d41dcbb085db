"""Every key of a template file, the same way from the file and from the server: what of it is in the disk."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from debian.debian_support import Version

from ingot.build.distributions import find_distribution
from ingot.build.packages.apt_repository import AptRepository
from ingot.build.packages.repository import join_version, split_version
from ingot.build.request import BuildRequest, BuildResult
from ingot.build.template import Package, Template
from ingot.build.template_file import load_template, read_document
from ingot.client.archive import packed
from tests.build.disk import Disk
from tests.build.engine import run_engine
from tests.importing import Importer

pytestmark = pytest.mark.build
_HASH = "$6$rounds=5000$saltsalt$" + "a" * 86
_UPDATED = "rtpengine-iptables"
_KEYS: dict[str, Any] = {
    "stack": {
        "name": "Every key",
        "version": 1.0,
        "description": "What is only for people",
        "os": {
            "name": "Debian",
            "version": "12",
            "arch": "x86_64",
            "profile": "Minimal",
            "pkgs": [{"name": "openssh-server"}],
        },
        "installation": {
            "hostname": "keys.example.org",
            "diskSize": 2500,
            "swapSize": 128,
            "displayLicense": True,
            "internetSettings": "configure",
            "kernelParams": ["quiet", "ingot.keys=1"],
            "keyboard": "de",
            "timezone": "America/New_York",
            "firewall": True,
            "seLinuxMode": "disabled",
            "welcomeMessage": "Grüß Gott",
            "rootUser": {
                "password": _HASH,
                "encrypted": True,
                "disablePasswordLogin": True,
                "sshKeys": [{"name": "r", "publicKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43 + " r"}],
            },
            "groups": [{"name": "crew", "groupId": 2001, "sudo": 1}, {"name": "daemons", "systemGroup": True}],
            "users": [
                {
                    "name": "ada",
                    "fullName": "Ada Lovelace",
                    "homeDir": "/srv/ada",
                    "shell": "/bin/sh",
                    "userId": 1701,
                    "primaryGroup": "crew",
                    "secondaryGroups": "adm,daemons",
                    "disablePasswordLogin": True,
                    "sudo": 2,
                },
                {"name": "robot", "systemUser": True, "password": _HASH, "encrypted": True},
            ],
            "nics": [
                {
                    "name": "front",
                    "order": 0,
                    "ipv4": "static",
                    "ipv6": "static",
                    "ipAddresses": [
                        {
                            "version": 4,
                            "address": "192.0.2.10",
                            "netmask": "255.255.255.0",
                            "gateway": "192.0.2.1",
                        },
                        {"version": 6, "address": "2001:db8::10", "netmask": "64", "gateway": "2001:db8::1"},
                    ],
                },
                {"name": "back", "order": 1, "autoConnect": False, "ipv4": "dhcp", "ipv6": "disabled"},
            ],
        },
        "config": [
            {"name": "two", "source": "two.sh", "type": "bootscript", "frequency": "everyboot", "order": 2},
            {"name": "one", "source": "one.sh", "type": "bootscript", "frequency": "firstboot", "order": "1"},
        ],
        "bundles": [
            {
                "name": "own soft",
                "version": 2.1,
                "destination": "/opt/own",
                "license": {"name": "TERMS", "source": "terms.txt"},
                "restrictionRule": "Distribution#family=linux && TargetFormat#type!=cloud",
                "files": [
                    {
                        "name": "own.conf",
                        "source": "own.conf",
                        "destination": "/etc/own",
                        "rights": "640",
                        "ownerGroup": "root:crew",
                        "symlink": "/srv/own.conf",
                    },
                    {"name": "data", "source": "data", "rights": "600", "files": []},
                    {"name": "tree", "tag": "ospkg"},
                    {
                        "name": "three",
                        "source": "three.sh",
                        "tag": "bootscript",
                        "bootType": "firstboot",
                        "bootOrder": 3,
                    },
                ],
            },
            {
                "name": "only clouds",
                "version": "1",
                "restrictionRule": "TargetFormat#type=cloud",
                "files": [{"name": "cloud.conf", "source": "own.conf", "destination": "/etc/own"}],
            },
        ],
    },
    "builders": [{"type": "Raw Virtual Disk"}],
}


@pytest.fixture(scope="module")
def pinned(cache: Path) -> Package:
    """An older version of a small package of which security updates have a newer one."""
    repository = AptRepository(find_distribution("Debian", "12", "x86_64"), cache)
    with repository.reading():
        lines = repository.apt(["apt-cache", "madison", _UPDATED]).splitlines()
    versions = sorted({line.split("|")[1].strip() for line in lines}, key=Version)
    if len(versions) < 2:
        pytest.skip(f"the mirror has only {versions} of {_UPDATED}")
    epoch, version, release = split_version(versions[0])
    return Package(name=_UPDATED, epoch=epoch, version=version, release=release)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory, pinned: Package) -> Path:
    """The same template as YAML and as JSON, with its scripts."""
    directory = tmp_path_factory.mktemp("keys")
    (directory / "one.sh").write_text("echo one\n")
    (directory / "two.sh").write_text("echo two\n")
    (directory / "three.sh").write_text("echo three\n")
    (directory / "terms.txt").write_text("All of it is yours.\n")
    (directory / "own.conf").write_text("own = yes\n")
    (directory / "data/deep").mkdir(parents=True)
    (directory / "data/deep/er").write_text("data\n")
    document = copy.deepcopy(_KEYS)
    document["stack"]["os"]["pkgs"].append(pinned.model_dump(exclude_none=True))
    (directory / "template.yml").write_text(yaml.safe_dump(document, allow_unicode=True))
    (directory / "template.json").write_text(json.dumps(document, indent=4))
    return directory


def _build(template: Template, work: Path, cache: Path, scripts: Path, *, simulate: bool = False) -> BuildResult:
    work.mkdir()
    return run_engine(
        BuildRequest(
            template=template,
            format="raw",
            compress=False,
            output=work / "image",
            scratch=work,
            cache=cache,
            boot_scripts_dir=scripts,
            simulate=simulate,
        )
    )


@pytest.fixture(scope="module")
def through_the_server(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Template, Template, Path]:
    """What the engine gets of the template when it was imported, and when an export of that was imported by somebody
    else; where the server keeps its files."""
    server = Importer(tmp_path_factory.mktemp("server"))
    with packed(read_document(directory / "template.yml"), directory) as archive:
        first = server.take(archive)
    with server.give(first).open("rb") as exported:
        second = server.take(exported, "bob")
    made, theirs = server.template(first), server.template(second)
    server.database.close()
    return made, theirs, server.files


def test_yaml_and_json_and_the_server_mean_the_same(
    directory: Path, through_the_server: tuple[Template, Template, Path], cache: Path, tmp_path: Path
) -> None:
    yaml_template, json_template = (load_template(directory / name) for name in ("template.yml", "template.json"))
    identities = [
        _build(template, tmp_path / str(number), cache, directory, simulate=True).identity
        for number, template in enumerate((yaml_template, json_template))
    ]
    assert identities[0] == identities[1]
    server, theirs, files = through_the_server
    exported = [
        _build(template, tmp_path / name, cache, files, simulate=True).identity
        for name, template in (("server", server), ("theirs", theirs))
    ]
    assert exported[0] == exported[1]
    assert _comparable(server, files) == _comparable(yaml_template, directory)


def _comparable(template: Template, files: Path) -> dict[str, Any]:
    """A template's content, its files by what is in them."""
    document = template.canonical()
    document["os"].pop("updateTo", None)
    for script in document["config"]:
        script["source"] = (files / script["source"]).read_text()
    document["config"].sort(key=lambda script: script["order"])
    document["os"]["pkgs"].sort(key=lambda package: package["name"])
    # Each side names the files of bundles in its own way: test_own_software looks at what becomes of them.
    document["bundles"] = [(bundle["name"], bundle["version"]) for bundle in document["bundles"]]
    return document


@pytest.fixture(scope="module")
def disk(
    through_the_server: tuple[Template, Template, Path], tmp_path_factory: pytest.TempPathFactory, cache: Path
) -> Disk:
    """The disk as the server's worker builds it."""
    template, _, files = through_the_server
    work = tmp_path_factory.mktemp("disk")
    _build(template, work / "build", cache, files)
    return Disk(work / "build/image")


def test_accounts(disk: Disk) -> None:
    passwd = disk.read("/etc/passwd").splitlines()
    assert "ada:x:1701:2001:Ada Lovelace:/srv/ada:/bin/sh" in passwd
    (robot,) = (line.split(":") for line in passwd if line.startswith("robot:"))
    assert int(robot[2]) < 1000
    groups = {line.split(":")[0]: line.split(":") for line in disk.read("/etc/group").splitlines()}
    assert groups["crew"][2] == "2001"
    assert int(groups["daemons"][2]) < 1000
    assert "ada" in groups["adm"][3].split(",")
    assert "ada" in groups["daemons"][3].split(",")
    shadow = {line.split(":")[0]: line.split(":")[1] for line in disk.read("/etc/shadow").splitlines()}
    assert (shadow["root"], shadow["robot"]) == (_HASH, _HASH)
    assert shadow["ada"].startswith("!")
    assert disk.read("/etc/sudoers.d/ada") == "ada ALL=(ALL:ALL) NOPASSWD: ALL\n"
    assert disk.read("/etc/sudoers.d/group-crew") == "%crew ALL=(ALL:ALL) ALL\n"
    assert disk.read("/root/.ssh/authorized_keys").endswith(" r\n")
    sshd = disk.read("/etc/ssh/sshd_config.d/10-ingot.conf")
    assert "PermitRootLogin prohibit-password" in sshd
    assert "Match User ada\n    PasswordAuthentication no" in sshd


def test_network(disk: Disk) -> None:
    front = disk.read("/etc/systemd/network/10-eth0.network")
    assert "DHCP=no" in front
    assert "Address=192.0.2.10/24\nGateway=192.0.2.1" in front
    assert "Address=2001:db8::10/64\nGateway=2001:db8::1" in front
    back = disk.read("/etc/systemd/network/10-eth1.network")
    assert "DHCP=ipv4" in back
    assert "LinkLocalAddressing=no" in back
    assert "ActivationPolicy=manual" in back
    assert disk.read("/etc/hostname") == "keys.example.org\n"
    assert "127.0.1.1 keys.example.org keys" in disk.read("/etc/hosts")


def test_protection(disk: Disk) -> None:
    rules = disk.read("/etc/nftables.conf")
    assert "policy drop" in rules
    assert "tcp dport 22 accept" in rules
    assert "nftables.service" in disk.names("/etc/systemd/system/sysinit.target.wants")
    assert disk.status("/etc/selinux/config") is None


def test_place_and_words(disk: Disk) -> None:
    assert disk.link("/etc/localtime").endswith("/usr/share/zoneinfo/America/New_York")
    assert 'XKBLAYOUT="de"' in disk.read("/etc/default/keyboard")
    assert disk.read("/etc/motd") == "Grüß Gott\n"
    grub = disk.read("/boot/grub/grub.cfg")
    assert "quiet ingot.keys=1" in grub
    assert "swap" in disk.read("/etc/fstab")


def test_boot_scripts_in_their_order(disk: Disk) -> None:
    """Those of bundles among those of the template."""
    scripts = ["everyboot-02-two", "firstboot-00-one", "firstboot-01-three"]
    assert disk.names("/usr/lib/ingot/boot-scripts") == scripts
    for script in scripts:
        assert f"echo {script.rpartition('-')[2]}" in disk.read(f"/usr/lib/ingot/boot-scripts/{script}")
        assert f"ingot-{script}.service" in disk.names("/etc/systemd/system/multi-user.target.wants")


def test_own_software(disk: Disk) -> None:
    assert disk.status("/etc/own/own.conf") == ("regular 0640", 0, 2001)
    assert disk.link("/srv/own.conf") == "/etc/own/own.conf"
    assert disk.status("/opt/own/data/deep/er") == ("regular 0600", 0, 0)
    assert disk.read("/opt/own/data/deep/er") == "data\n"
    assert disk.names("/etc/own") == ["own.conf"], "what is only for clouds is left out"
    assert disk.read("/usr/share/licenses/own_soft-2.1/TERMS") == "All of it is yours.\n"
    assert "All of it is yours." in disk.read("/usr/lib/ingot/licenses.txt")
    assert "Package: tree\nStatus: install ok installed" in disk.read("/var/lib/dpkg/status")


def test_a_pinned_version_is_installed_though_there_is_a_newer_one(disk: Disk, pinned: Package) -> None:
    status = disk.read("/var/lib/dpkg/status").partition(f"\nPackage: {pinned.name}\n")[2].partition("\n\n")[0]
    assert f"\nVersion: {join_version(pinned.epoch, pinned.version or '', pinned.release or '')}\n" in status
