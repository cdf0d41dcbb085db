"""An appliance as the engine's template."""

from typing import Any

from ingot.build.template import Template
from ingot.messages.install_profile import InstallProfile as ProfileMessage
from ingot.messages.install_profile import Nic, OSGroup, OSUser
from ingot.services import install_profiles
from ingot.services.errors import InvalidError
from ingot.store.tables import Appliance

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
            "installation": _installation(install_profiles.with_overrides(appliance.install_profile, overrides)),
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


def _installation(profile: ProfileMessage) -> dict[str, Any]:
    root = profile.root_user
    return {
        "disk_size": profile.disk_size,
        "swap_size": profile.swap_size or 0,
        "kernel_params": [word for word in (profile.kernel_parameters or "").replace(",", " ").split() if word],
        "keyboard": None if profile.keyboard_auto else profile.keyboard,
        "timezone": None if profile.timezone_auto else profile.timezone,
        "welcome_message": profile.welcome_msg,
        "root_user": {
            "password": root.password if root else None,
            "encrypted": bool(root and root.password),
            "disable_password_login": bool(root and root.disable_password_login),
            "ssh_keys": _keys(root) if root else [],
        },
        "users": [_user(user) for user in profile.users or []],
        "groups": [_group(group) for group in profile.groups or []],
        "nics": [] if profile.internet_settings_auto else [_nic(nic) for nic in profile.nics or []],
    }


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
