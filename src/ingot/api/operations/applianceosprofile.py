"""OS profiles of appliances."""

from ingot.api.operation import Call, Chapter
from ingot.api.operations.appliance import find_appliance, id_in
from ingot.api.representations import appliances as representations
from ingot.api.representations.catalogue import package
from ingot.messages.base import Message
from ingot.messages.distribution import DistribProfile
from ingot.messages.package import Pkg, PkgList
from ingot.services import appliances, os_profiles
from ingot.services.os_profiles import WantedPackage
from ingot.store import tables

_chapter = Chapter("applianceosprofile")
CHAPTERS = (_chapter,)
_DESIGN = ("appliance_create",)
_BASE = "/users/{uid}/appliances/{aid}/osprofile"


@_chapter.operation(
    "applianceOSProfile_create",
    "POST",
    _BASE,
    entitlements=_DESIGN,
    body=DistribProfile,
    answer=DistribProfile,
    status=201,
)
def create(call: Call) -> Message:
    """Give an appliance its OS profile from one of its distribution's profiles."""
    row, message = find_appliance(call), call.body(DistribProfile)
    os_profiles.create(call.session, row, id_in(message.standard_profile_uri or message.uri, "profile"))
    return representations.os_profile(row)


@_chapter.operation("applianceOSProfile_get", "GET", f"{_BASE}/{{osid}}", entitlements=_DESIGN, answer=DistribProfile)
def get(call: Call) -> Message:
    """An appliance's OS profile."""
    row = find_appliance(call)
    os_profiles.find(row, call.number("osid"))
    return representations.os_profile(row)


@_chapter.operation("applianceOSProfile_delete", "DELETE", f"{_BASE}/{{osid}}", entitlements=_DESIGN, status=204)
def delete(call: Call) -> None:
    """Take the OS profile from an appliance."""
    row = find_appliance(call)
    os_profiles.find(row, call.number("osid"))
    os_profiles.remove(call.session, row)


@_chapter.operation(
    "applianceOSProfilePkg_getAll", "GET", f"{_BASE}/{{osid}}/pkgs", entitlements=_DESIGN, answer=PkgList
)
def packages_get_all(call: Call) -> Message:
    """The packages of an appliance's OS profile: its standard profile's and those added."""
    row = find_appliance(call)
    profile = os_profiles.find(row, call.number("osid"))
    return _packages(profile)


@_chapter.operation(
    "applianceOSProfilePkg_updateAll",
    "PUT",
    f"{_BASE}/{{osid}}/pkgs",
    entitlements=_DESIGN,
    body=PkgList,
    answer=PkgList,
)
def packages_update_all(call: Call) -> Message:
    """Set the packages: a full list, or addresses of packages to add and to remove."""
    row, message = find_appliance(call), call.body(PkgList)
    profile = os_profiles.find(row, call.number("osid"))
    wanted = [_wanted(one) for one in message.pkgs]
    changes = message.added_pkg_uris is not None or message.deleted_pkg_uris is not None
    if changes and not wanted:
        wanted = [_wanted(representations.wanted_package(one)) for one in profile.packages]
    if message.added_pkg_uris is not None:
        ids = [id_in(uri, "package") for uri in message.added_pkg_uris.uri]
        wanted += [_wanted(package(one)) for one in os_profiles.packages_by_id(call.session, row, ids)]
    if message.deleted_pkg_uris is not None:
        ids = [id_in(uri, "package") for uri in message.deleted_pkg_uris.uri]
        gone = {one.name for one in os_profiles.packages_by_id(call.session, row, ids)}
        os_profiles.refuse_standard(profile, sorted(gone))
        wanted = [one for one in wanted if one.name not in gone]
    os_profiles.set_packages(call.session, row, wanted)
    return _packages(profile)


def _wanted(message: Pkg) -> WantedPackage:
    """A package with a version is pinned to it only when it is marked sticky: clients echo what they read."""
    name = appliances.checked_text("name of a package", message.name)
    if not message.sticky:
        return WantedPackage(name=name, arch=message.arch)
    return WantedPackage(
        name=name,
        epoch=message.epoch,
        version=message.version,
        release=message.release,
        arch=message.arch,
    )


def _packages(profile: tables.OsProfile) -> PkgList:
    own = {row.name: representations.wanted_package(row) for row in profile.packages}
    standard = [
        Pkg(name=name, full_name=name, sticky=False) for name in profile.profile.package_names if name not in own
    ]
    return PkgList(pkgs=sorted([*standard, *own.values()], key=lambda one: one.name or ""))
