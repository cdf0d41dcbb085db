"""Addresses of appliances and of what belongs to them."""

from ingot.api.representations.users import user_uri
from ingot.store import tables


def appliance_uri(row: tables.Appliance) -> str:
    """The address of an appliance."""
    return f"{user_uri(row.owner)}/appliances/{row.id}"


def install_profile_uri(row: tables.Appliance) -> str:
    """The address of an appliance's install profile."""
    return f"{appliance_uri(row)}/installProfile/{row.install_profile.id}"
