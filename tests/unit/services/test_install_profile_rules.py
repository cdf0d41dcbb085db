"""What an install profile may say."""

import base64
import struct

import pytest

from ingot.messages.access import SSHKey
from ingot.messages.install_profile import InstallProfile, IPAddress, Nic, OSGroup, OSUser
from ingot.services.install_profile_rules import mistakes


def _key(kind: str, *fields: bytes) -> str:
    blob = b"".join(struct.pack(">I", len(field)) + field for field in (kind.encode(), *fields))
    return f"{kind} {base64.b64encode(blob).decode()}"


_RSA = _key("ssh-rsa", b"\1\0\1", bytes(257))


@pytest.mark.parametrize(
    "profile",
    [
        InstallProfile(),
        InstallProfile(disk_size=512, swap_size=0, timezone="Asia/Tokyo", kernel_parameters="quiet, rhgb a='b c'"),
        InstallProfile(users=[OSUser(name="a.b-c_9", user_id="1000", home_dir="/srv/a b", shell="/bin/sh")]),
        InstallProfile(
            users=[OSUser(name="svc", user_id="201", system_user=True, sudo=2, secondary_groups="adm, sudo")]
        ),
        InstallProfile(users=[OSUser(name="u", password="$6$salt$hash/hash.hash", encrypted=True)]),
        InstallProfile(users=[OSUser(name="u", password="$y$j9T$abc$defghijklm", encrypted=True)]),
        InstallProfile(users=[OSUser(name="u", password="any:thing\nat all, ünï 日本")]),
        InstallProfile(users=[OSUser(name="same")], groups=[OSGroup(name="same", group_id="60000")]),
        InstallProfile(nics=[Nic(order=0), Nic(order=None), Nic(order=None)]),
        InstallProfile(
            nics=[
                Nic(
                    order=0,
                    ipv4_method="MANUAL",
                    ipv6_method="MANUAL",
                    ip_addresses=[
                        IPAddress(type=4, address="10.0.0.5", netmask="255.255.255.0", gateway="10.0.0.1"),
                        IPAddress(type=6, address="fd00::5", netmask="64", gateway="fe80::1"),
                    ],
                )
            ]
        ),
    ],
)
def test_good_profiles_have_no_mistakes(profile: InstallProfile) -> None:
    assert list(mistakes(profile)) == []


def _user(**values: object) -> InstallProfile:
    return InstallProfile(users=[OSUser.model_validate({"name": "u", **values})])


def _nic(address: dict[str, object], **values: object) -> InstallProfile:
    addresses = [IPAddress.model_validate({"type": 4, **address})]
    return InstallProfile(nics=[Nic.model_validate({"order": 0, "name": "lan", "ip_addresses": addresses, **values})])


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        (InstallProfile(disk_size=10), "10 MB"),
        (InstallProfile(disk_size=2**40), "1099511627776 MB"),
        (InstallProfile(disk_size=1000, swap_size=1000), "swap size of 1000"),
        (InstallProfile(swap_size=-1), "swap size of -1"),
        (InstallProfile(memory_size=-5), "memory of -5"),
        (InstallProfile(timezone="Europa/Berlin"), "Europe/Berlin"),
        (InstallProfile(timezone="x" * 1_000_000), "no time zone xxx"),
        (InstallProfile(kernel_parameters="a\nb"), "control characters"),
        (InstallProfile(welcome_msg="x" * 5000), "5000 characters"),
        (InstallProfile(users=[OSUser(name=None)]), "''"),
        (_user(name="Eve"), "'Eve'"),
        (_user(name="a b"), "'a b'"),
        (_user(name="$(reboot)"), "reboot"),
        (_user(name="-r"), "'-r'"),
        (_user(name="x" * 33), "up to 32"),
        (_user(name="日本"), "日本"),
        (_user(name="root"), "rootUser"),
        (_user(user_id="0"), "id 0"),
        (_user(user_id="999"), "id 999"),
        (_user(user_id="200", system_user=True), "id 200"),
        (_user(user_id="60001"), "id 60001"),
        (_user(user_id="99999999999"), "id 99999999999"),
        (_user(user_id="9" * 5000), "is not possible"),
        (_user(user_id="-1"), "id -1"),
        (_user(user_id="١٠٠٠"), "is not possible"),
        (_user(user_id="0x500"), "id 0x500"),
        (_user(home_dir="home/u"), "home directory"),
        (_user(home_dir="/home/u:x"), "home directory"),
        (_user(home_dir="/home/u\nroot::0:0::/:/bin/sh"), "home directory"),
        (_user(home_dir="/home/../etc"), "home directory"),
        (_user(shell="bash"), "shell"),
        (_user(full_name="a:b"), "full name"),
        (_user(full_name="a\nb"), "full name"),
        (_user(secondary_groups="adm,so far"), "'so far'"),
        (_user(primary_group="../x"), "'../x'"),
        (_user(sudo=3), "sudo 3"),
        (_user(password="clear", encrypted=True), "no crypt hash"),
        (_user(password="$6$salt$hashhash\nroot:$6$salt$hashhash", encrypted=True), "no crypt hash"),
        (_user(password="$6$salt$hash:0:99999", encrypted=True), "no crypt hash"),
        (_user(password="nul\0"), "zero character"),
        (_user(ssh_keys=[SSHKey(name="k", public_key="-----BEGIN OPENSSH PRIVATE KEY-----\nx")]), "private key"),
        (_user(ssh_keys=[SSHKey(name="k", public_key="nonsense")]), "nonsense"),
        (InstallProfile(root_user=OSUser(ssh_keys=[SSHKey(name="k")])), "SSH key k"),
        (InstallProfile(root_user=OSUser(password="x", encrypted=True)), "no crypt hash"),
        (InstallProfile(users=[OSUser(name="a"), OSUser(name="a")]), "more than one user a"),
        (InstallProfile(users=[OSUser(name="a", user_id="1500"), OSUser(name="b", user_id="1500")]), "user id 1500"),
        (
            InstallProfile(groups=[OSGroup(name="a", group_id="1500"), OSGroup(name="b", group_id="1500")]),
            "group id 1500",
        ),
        (InstallProfile(groups=[OSGroup(name="g", password="x")]), "has a password"),
        (InstallProfile(groups=[OSGroup(name="g", group_id="0")]), "id 0 of group g"),
        (InstallProfile(nics=[Nic(order=1), Nic(order=1)]), "same order"),
        (InstallProfile(nics=[Nic(order=-1)]), "order -1"),
        (_nic({"address": "10.0.0.300", "netmask": "24"}), "10.0.0.300/24"),
        (_nic({"address": "10.0.0.3", "netmask": "255.0.255.0"}), "255.0.255.0"),
        (_nic({"address": "10.0.0.3"}), "netmask"),
        (_nic({"address": "fd00::1", "netmask": "64"}), "no IPv4 address"),
        (_nic({"address": "10.0.0.3", "netmask": "24", "gateway": "10.0.0"}), "gateway 10.0.0"),
        (_nic({"address": "10.0.0.3", "netmask": "24", "gateway": "fe80::1"}), "gateway fe80::1"),
        (_nic({"address": "10.0.0.3", "netmask": "24", "type": 5}), "type of address 10.0.0.3 is 5"),
        (_nic({"address": "10.0.0.3", "netmask": "24", "type": 0}), "has to be 4 or 6"),
        (_nic({"address": "10.0.0.3", "netmask": "24"}, ipv6_method="MANUAL"), "no IPv6 address"),
        (InstallProfile(nics=[Nic(order=0, name="eth0", ipv4_method="MANUAL")]), "no IPv4 address"),
        (InstallProfile(users=[OSUser(name=f"u{number}") for number in range(1001)]), "1001 users"),
        (InstallProfile(nics=[Nic(order=number) for number in range(2000)]), "2000 nics"),
        (_user(ssh_keys=[SSHKey(name="k", public_key=_RSA)] * 1001), "1001 SSH keys"),
    ],
)
def test_a_mistake_is_named(profile: InstallProfile, words: str) -> None:
    found = list(mistakes(profile))
    assert len(found) == 1, found
    assert words in found[0]
    assert len(found[0]) < 1000


def test_all_mistakes_are_named() -> None:
    profile = InstallProfile(disk_size=1, users=[OSUser(name="Bad", user_id="7", sudo=9, shell="x")])
    assert len(list(mistakes(profile))) == 5
