"""An appliance as the engine's template, and a template's set-up as an appliance's install profile."""

from typing import Any, get_args

from ingot.build.template import Installation, SshKey, Template
from ingot.build.template import Nic as TemplateNic
from ingot.build.template_rules import near
from ingot.build.tree.keyboard import KEYBOARDS
from ingot.messages.access import SSHKey
from ingot.messages.install_profile import InstallProfile as ProfileMessage
from ingot.messages.install_profile import (
    InstallProfileKeyboard,
    IPAddress,
    Nic,
    NicIpv4Method,
    NicIpv6Method,
    NicType,
    OSGroup,
    OSUser,
)
from ingot.services import bundle_model, distributions, install_profiles, partition_tables
from ingot.services.errors import InvalidError
from ingot.services.partition_tables import table_of
from ingot.store.tables import Appliance, Distribution, DistributionProfile

_INTERFACE: NicType = "ETHERNET"
_IPV4: dict[str, NicIpv4Method] = {"dhcp": "AUTOMATIC", "static": "MANUAL", "disabled": "DISABLED"}
_IPV6: dict[str, NicIpv6Method] = {"dhcp": "AUTOMATIC", "static": "MANUAL", "disabled": "IGNORE"}
_METHODS = {"AUTOMATIC": "dhcp", "MANUAL": "static", "DISABLED": "disabled", "IGNORE": "disabled", None: "dhcp"}


def template_of(appliance: Appliance, overrides: ProfileMessage | None) -> Template:
    """The template of an appliance, with what one generation sets differently.

    Raises InvalidError when the appliance is not ready: no OS profile, a boot script without content.
    """
    profile = appliance.os_profile
    if profile is None:
        raise InvalidError(
            f"Appliance {appliance.name} {appliance.version} has no OS profile: create one before generating.",
            message_id="ERROR.OSPROFILE.MISSING",
        )
    missing = [script.name for script in appliance.boot_scripts if script.sha256 is None]
    if missing:
        raise InvalidError(f"The boot script(s) {', '.join(missing)} have no content: upload it first.")
    return Template.model_validate(
        {
            "name": appliance.name,
            "version": appliance.version,
            "description": appliance.description,
            "os": {
                "name": appliance.distribution.name,
                "version": appliance.distribution.version,
                "arch": appliance.distribution.arch,
                "profile": profile.profile.name,
                "profile_packages": _profile_packages(profile.profile, appliance.distribution),
                # Where nothing is known of the past, as of RPM packages, there is only the present.
                "update_to": appliance.last_package_update if appliance.distribution.packages_since else None,
                "pkgs": [
                    {
                        "name": package.name,
                        "epoch": package.epoch,
                        "version": package.version,
                        "release": package.release,
                        "arch": package.arch,
                    }
                    for package in profile.packages
                ],
            },
            "installation": {
                "hostname": appliance.install_profile.hostname,
                **_installation(install_profiles.with_overrides(appliance.install_profile, overrides)),
            },
            "bundles": [
                bundle_model.model_of(entry.bundle, bundle_model.by_hash, install_location=entry.install_location)
                for entry in appliance.bundles
            ],
            "config": [
                {
                    "name": script.name,
                    "source": script.sha256,
                    "frequency": script.boot_type,
                    "order": script.boot_order,
                }
                for script in sorted(appliance.boot_scripts, key=lambda s: (s.boot_order, s.name))
            ],
        }
    )


def _profile_packages(profile: DistributionProfile, distribution: Distribution) -> list[str] | None:
    """The packages of a profile that the engine does not know itself."""
    return None if distributions.is_provided(profile, distribution) else profile.package_names


def _installation(profile: ProfileMessage) -> dict[str, Any]:
    root = profile.root_user
    return {
        "disk_size": profile.disk_size,
        "swap_size": profile.swap_size or 0,
        "kernel_params": [word for word in (profile.kernel_parameters or "").replace(",", " ").split() if word],
        "keyboard": None if profile.keyboard_auto else profile.keyboard,
        "timezone": None if profile.timezone_auto else profile.timezone,
        "welcome_message": profile.welcome_msg,
        "display_licenses": not profile.skip_licenses,
        "internet_settings": "basic" if profile.internet_settings_auto else "configure",
        "firewall": None if profile.firewall_auto else bool(profile.firewall_enabled),
        "se_linux_mode": profile.se_linux_mode,
        "root_user": {
            "password": root.password if root else None,
            "encrypted": bool(root and root.password),
            "disable_password_login": bool(root and root.disable_password_login),
            "ssh_keys": _keys(root) if root else [],
        },
        "users": [_user(user) for user in profile.users or []],
        "groups": [_group(group) for group in profile.groups or []],
        "partitioning": partition_tables.partitioning_of(profile),
        "nics": [] if profile.internet_settings_auto else [_nic(nic) for nic in profile.nics or []],
    }


def profile_of(installation: Installation) -> ProfileMessage:
    """The install profile that says what an installation does; passwords are as they are there."""
    root, nics = installation.root_user, installation.nics
    return ProfileMessage(
        disk_size=installation.disk_size,
        swap_size=installation.swap_size,
        memory_size=1024,
        partition_auto=installation.partitioning is None,
        partition_table=None if installation.partitioning is None else table_of(installation.partitioning),
        kernel_parameters=" ".join(installation.kernel_params),
        keyboard=_keyboard(installation.keyboard),
        keyboard_auto=installation.keyboard is None,
        timezone=installation.timezone or "UTC",
        timezone_auto=installation.timezone is None,
        welcome_msg=installation.welcome_message,
        skip_licenses=not installation.display_licenses,
        internet_settings_auto=not nics,
        firewall_auto=installation.firewall is None,
        firewall_enabled=bool(installation.firewall),
        se_linux_mode=installation.se_linux_mode,
        root_user=OSUser(
            name="root",
            password=root.password,
            password_auto=root.password is None,
            encrypted=root.encrypted or None,
            disable_password_login=root.disable_password_login,
            ssh_keys=_key_messages(root.ssh_keys),
        ),
        users=[
            OSUser(
                name=user.name,
                full_name=user.full_name,
                home_dir=user.home_dir,
                shell=user.shell,
                password=user.password,
                password_auto=user.password is None,
                encrypted=user.encrypted or None,
                disable_password_login=user.disable_password_login,
                primary_group=user.primary_group,
                primary_group_auto=user.primary_group is None,
                secondary_groups=user.secondary_groups,
                system_user=user.system_user,
                user_id=None if user.user_id is None else str(user.user_id),
                user_id_auto=user.user_id is None,
                sudo=user.sudo,
                ssh_keys=_key_messages(user.ssh_keys),
            )
            for user in installation.users
        ],
        groups=[
            OSGroup(
                name=group.name,
                system_group=group.system_group,
                group_id=None if group.group_id is None else str(group.group_id),
                group_id_auto=group.group_id is None,
                sudo=group.sudo,
            )
            for group in installation.groups
        ],
        nics=[_nic_message(nic) for nic in nics],
    )


def _keyboard(name: str | None) -> Any:
    """The keyboard by the name that the API has for it."""
    if name is None or name in get_args(InstallProfileKeyboard):
        return name
    alike = {(layout, known) for known, layout in KEYBOARDS.items() if known in get_args(InstallProfileKeyboard)}
    for layout, known in sorted(alike):
        if layout == KEYBOARDS.get(name):
            return known
    raise InvalidError(f"There is no keyboard {name}; {near(name, get_args(InstallProfileKeyboard))}.", name)


def _key_messages(keys: tuple[SshKey, ...]) -> list[SSHKey]:
    return [SSHKey(name=key.name, public_key=key.public_key) for key in keys]


def _nic_message(nic: TemplateNic) -> Nic:
    return Nic(
        name=nic.name or None,
        type=_INTERFACE,
        order=nic.order,
        auto_connect=nic.auto_connect,
        ipv4_method=_IPV4[nic.ipv4],
        ipv6_method=_IPV6[nic.ipv6],
        ip_addresses=[
            IPAddress(type=ip.version, address=ip.address, netmask=ip.netmask, gateway=ip.gateway)
            for ip in nic.ip_addresses
        ],
    )


def _keys(user: OSUser) -> list[dict[str, Any]]:
    return [{"name": key.name or "", "public_key": key.public_key} for key in user.ssh_keys or []]


def _user(user: OSUser) -> dict[str, Any]:
    return {
        "name": user.name,
        "full_name": user.full_name or "",
        "home_dir": user.home_dir,
        "shell": user.shell,
        "password": user.password,
        "encrypted": user.password is not None,
        "disable_password_login": bool(user.disable_password_login),
        "primary_group": None if user.primary_group_auto else user.primary_group,
        "secondary_groups": user.secondary_groups,
        "system_user": bool(user.system_user),
        "user_id": int(user.user_id) if user.user_id and not user.user_id_auto else None,
        "sudo": user.sudo or 0,
        "ssh_keys": _keys(user),
    }


def _group(group: OSGroup) -> dict[str, Any]:
    return {
        "name": group.name,
        "system_group": bool(group.system_group),
        "group_id": int(group.group_id) if group.group_id and not group.group_id_auto else None,
        "sudo": group.sudo or 0,
    }


def _nic(nic: Nic) -> dict[str, Any]:
    return {
        "name": nic.name or "",
        "order": nic.order,
        "auto_connect": nic.auto_connect is not False,
        "ipv4": _METHODS[nic.ipv4_method],
        "ipv6": _METHODS[nic.ipv6_method],
        "ip_addresses": [
            {"version": ip.type, "address": ip.address, "netmask": ip.netmask, "gateway": ip.gateway}
            for ip in nic.ip_addresses or []
        ],
    }
