"""Install profiles as they are kept, and as templates for the engine."""

import pytest
from passlib.hash import sha512_crypt
from sqlalchemy.orm import Session

from ingot.messages.access import SSHKey
from ingot.messages.install_profile import InstallProfile as ProfileMessage
from ingot.messages.install_profile import IPAddress, Nic, OSGroup, OSUser
from ingot.services import boot_scripts, install_profiles, os_profiles
from ingot.services.errors import InvalidError
from ingot.services.os_profiles import WantedPackage
from ingot.services.templates import template_of
from ingot.store.artifacts import StoredArtifact
from ingot.store.tables import Appliance

_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def _kept(appliance: Appliance) -> ProfileMessage:
    return install_profiles.message_of(appliance.install_profile)


def test_a_password_is_kept_as_a_crypt_hash_and_survives_echoes(session: Session, appliance: Appliance) -> None:
    users = [OSUser(name="eve", password="s3cret:\nü")]
    install_profiles.replace(
        session, appliance, ProfileMessage(users=users, root_user=OSUser(name="root", password="r00t"))
    )
    kept = _kept(appliance)
    assert kept.users is not None
    assert kept.root_user is not None
    (eve,) = kept.users
    assert sha512_crypt.verify("s3cret:\nü", eve.password)
    assert sha512_crypt.verify("r00t", kept.root_user.password)
    # Clients send back what they read: without passwords.
    echoed = [user.model_copy(update={"password": None, "encrypted": None, "full_name": "Eve"}) for user in kept.users]
    root = kept.root_user.model_copy(update={"password": None, "encrypted": None})
    install_profiles.replace(session, appliance, ProfileMessage(users=echoed, root_user=root))
    again = _kept(appliance)
    assert again.users is not None
    assert again.root_user is not None
    assert (again.users[0].password, again.users[0].full_name) == (eve.password, "Eve")
    assert again.root_user.password == kept.root_user.password
    install_profiles.replace(session, appliance, ProfileMessage(root_user=OSUser(name="root", password_auto=True)))
    assert _kept(appliance).root_user.password is None  # type: ignore[union-attr]


def test_a_hash_is_taken_as_it_is(session: Session, appliance: Appliance) -> None:
    hashed = "$6$salt$abcdefghijklmnop"
    install_profiles.replace(
        session, appliance, ProfileMessage(users=[OSUser(name="eve", password=hashed, encrypted=True)])
    )
    assert _kept(appliance).users[0].password == hashed  # type: ignore[index]


def test_ids_are_handed_out_once(session: Session, appliance: Appliance) -> None:
    users = [OSUser(name="a", db_id=77), OSUser(name="b", db_id=77), OSUser(name="c")]
    nics = [Nic(name="x", order=5), Nic(name="y"), Nic(name="z")]
    install_profiles.replace(session, appliance, ProfileMessage(users=users, groups=[OSGroup(name="g")], nics=nics))
    kept = _kept(appliance)
    assert kept.users is not None
    assert kept.groups is not None
    assert kept.nics is not None
    ids = [item.db_id for item in (*kept.users, *kept.groups, *kept.nics)]
    assert len(set(ids)) == 7
    assert [nic.order for nic in kept.nics] == [5, 6, 7]
    a, _b, c = kept.users
    install_profiles.replace(session, appliance, ProfileMessage(users=[c, a, a.model_copy(update={"name": "d"})]))
    again = _kept(appliance).users
    assert again is not None
    assert [user.db_id for user in again[:2]] == [c.db_id, a.db_id]
    assert again[2].db_id not in ids


def test_a_refused_change_changes_nothing(session: Session, appliance: Appliance) -> None:
    before, revision = _kept(appliance), appliance.revision
    users = [OSUser(name="Bad Name")] * 30
    with pytest.raises(InvalidError, match=r"'Bad Name'.*more than one"):
        install_profiles.replace(session, appliance, ProfileMessage(disk_size=5000, users=users))
    many = [OSUser(name=f"Bad {number}") for number in range(30)]
    with pytest.raises(InvalidError, match="And 10 mistakes more"):
        install_profiles.replace(session, appliance, ProfileMessage(users=many))
    assert (_kept(appliance), appliance.revision) == (before, revision)


def test_a_template_says_what_the_appliance_says(session: Session, appliance: Appliance) -> None:
    address = IPAddress(type=4, address="10.0.0.5", netmask="24", gateway="10.0.0.1")
    install_profiles.replace(
        session,
        appliance,
        ProfileMessage(
            disk_size=4000,
            swap_size=0,
            timezone="Asia/Tokyo",
            keyboard="fr",
            keyboard_auto=False,
            kernel_parameters="quiet, panic=5",
            internet_settings_auto=False,
            nics=[Nic(name="lan", order=1, ipv4_method="MANUAL", ipv6_method="IGNORE", ip_addresses=[address])],
            users=[
                OSUser(
                    name="eve",
                    password="x",
                    user_id="1500",
                    sudo=1,
                    secondary_groups="adm",
                    ssh_keys=[SSHKey(name="k", public_key=f"{_KEY}\n")],
                )
            ],
            groups=[OSGroup(name="crew", group_id="2000")],
        ),
    )
    os_profiles.set_packages(session, appliance, [WantedPackage("nginx", None, "1.0", "1")])
    late = boot_scripts.create(session, appliance, name="b", boot_type="firstboot", boot_order=2)
    early = boot_scripts.create(session, appliance, name="c", boot_type="everyboot", boot_order=1)
    with pytest.raises(InvalidError, match=r"b, c .*upload"):
        template_of(appliance, None)
    for script, sha256 in ((late, "a" * 64), (early, "b" * 64)):
        boot_scripts.set_content(session, appliance, script, "s", StoredArtifact(sha256, "c" * 32, 1))
    template = template_of(appliance, None)
    setup = template.installation
    assert (template.name, template.version, template.os.profile) == ("web", "1", appliance.os_profile.profile.name)  # type: ignore[union-attr]
    assert [(package.name, package.version, package.release) for package in template.os.pkgs] == [
        ("nginx", "1.0", "1")
    ]
    assert (setup.disk_size, setup.swap_size, setup.timezone, setup.keyboard) == (4000, 0, "Asia/Tokyo", "fr")
    assert setup.kernel_params == ("quiet", "panic=5")
    assert (setup.nics[0].ipv4, setup.nics[0].ipv6, setup.nics[0].ip_addresses[0].gateway) == (
        "static",
        "disabled",
        "10.0.0.1",
    )
    (eve,) = setup.users
    assert (eve.user_id, eve.sudo, eve.encrypted, eve.secondary_groups) == (1500, 1, True, "adm")
    assert sha512_crypt.verify("x", eve.password)
    assert setup.groups[0].group_id == 2000
    assert [(script.name, script.source) for script in template.config] == [("c", "b" * 64), ("b", "a" * 64)]


def test_a_generation_may_set_sizes_and_root_differently(session: Session, appliance: Appliance) -> None:
    root = OSUser(name="root", password="r00t", ssh_keys=[SSHKey(name="k", public_key=_KEY)])
    install_profiles.replace(session, appliance, ProfileMessage(disk_size=4000, swap_size=256, root_user=root))
    before = _kept(appliance)
    same = template_of(appliance, ProfileMessage(disk_size=0, memory_size=2048)).installation
    assert (same.disk_size, same.swap_size) == (4000, 256)
    wanted = ProfileMessage(disk_size=9000, swap_size=0, root_user=OSUser(password="other"), users=[OSUser(name="x")])
    other = template_of(appliance, wanted).installation
    assert (other.disk_size, other.swap_size, other.users) == (9000, 0, ())
    assert sha512_crypt.verify("other", other.root_user.password)
    assert [key.public_key for key in other.root_user.ssh_keys] == [_KEY]
    assert _kept(appliance) == before
    with pytest.raises(InvalidError, match="100 MB"):
        template_of(appliance, ProfileMessage(disk_size=100))


def test_an_appliance_without_an_os_profile_says_what_to_do(session: Session, appliance: Appliance) -> None:
    os_profiles.remove(session, appliance)
    with pytest.raises(InvalidError, match="no OS profile: create one"):
        template_of(appliance, None)
