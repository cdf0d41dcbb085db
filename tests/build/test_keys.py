"""Every key of a template file, the same way from the file and from the server: what of it is in the disk."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingot.build.request import BuildRequest, BuildResult
from ingot.build.template import Template
from ingot.build.template_file import load_template, parse_template
from ingot.services import appliance_exports, appliance_imports, first_start
from ingot.services.templates import template_of
from ingot.store.artifacts import LocalArtifacts
from ingot.store.database import Database
from ingot.store.tables import Appliance, ApplianceImport, User
from tests.build.disk import Disk
from tests.build.engine import run_engine

pytestmark = pytest.mark.build
_HASH = "$6$rounds=5000$saltsalt$" + "a" * 86
_KEYS = {
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
                    "ipv6": "disabled",
                    "ipAddresses": [
                        {
                            "version": 4,
                            "address": "192.0.2.10",
                            "netmask": "255.255.255.0",
                            "gateway": "192.0.2.1",
                        }
                    ],
                },
                {"name": "back", "order": 1, "autoConnect": False, "ipv4": "dhcp", "ipv6": "dhcp"},
            ],
        },
        "config": [
            {"name": "two", "source": "two.sh", "type": "bootscript", "frequency": "everyboot", "order": 2},
            {"name": "one", "source": "one.sh", "type": "bootscript", "frequency": "firstboot", "order": "1"},
        ],
    },
    "builders": [{"type": "Raw Virtual Disk"}],
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same template as YAML and as JSON, with its scripts."""
    directory = tmp_path_factory.mktemp("keys")
    (directory / "one.sh").write_text("echo one\n")
    (directory / "two.sh").write_text("echo two\n")
    (directory / "template.yml").write_text(yaml.safe_dump(_KEYS, allow_unicode=True))
    (directory / "template.json").write_text(json.dumps(_KEYS, indent=4))
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
    data = tmp_path_factory.mktemp("server")
    database, artifacts = Database(f"sqlite:///{data / 'ingot.db'}"), LocalArtifacts(data / "artifacts")
    database.migrate()
    template = load_template(directory / "template.yml")
    contents, files = {}, data / "files"
    files.mkdir()
    for source in ("one.sh", "two.sh"):
        with artifacts.writer() as writer:
            writer.write((directory / source).read_bytes())
        contents[source] = writer.result()
        (files / writer.result().sha256).symlink_to(artifacts.path(writer.result().sha256))
    with database.transaction() as session:
        first_start.prepare(session, root_password="secret")
        session.flush()
        row = ApplianceImport(owner=session.query(User).one())
        session.add(row)
        session.flush()
        appliance_imports.complete(session, row, template, contents, lambda source: directory / source)
        made = template_of(session.query(Appliance).one(), None)
        document, exported = appliance_exports.document(session.query(Appliance).one())
        # The archive of it, imported by somebody else.
        again = parse_template(yaml.safe_dump(document).encode(), Path("template.yml"))
        other = User(
            login="bob", email="b@localhost", password_hash="-", organisation=session.query(User).one().organisation
        )
        second = ApplianceImport(owner=other)
        session.add(second)
        session.flush()
        hashes = {content.sha256: content for content in contents.values()}
        appliance_imports.complete(
            session, second, again, {name: hashes[sha256] for name, sha256 in exported.items()}, artifacts.path
        )
        copy = session.query(Appliance).filter_by(owner=other).one()
        theirs = template_of(copy, None)
    database.close()
    return made, theirs, files


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
    assert "LinkLocalAddressing=no" in front
    back = disk.read("/etc/systemd/network/10-eth1.network")
    assert "DHCP=yes" in back
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
    units = [name for name in disk.names("/etc/systemd/system") if "boot" in name] or disk.names(
        "/usr/lib/systemd/system"
    )
    assert any("one" in name for name in units)
    assert any("two" in name for name in units)
