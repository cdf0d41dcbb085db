"""OS profiles of appliances."""

from itertools import groupby

from ingot.api.addresses import id_in
from ingot.api.listing import QUERY_PARAMETERS, flag, moment
from ingot.api.operation import Call, Chapter
from ingot.api.operations.appliance import find_appliance, represent
from ingot.api.representations import appliances as representations
from ingot.api.representations.catalogue import package
from ingot.messages.appliance import Appliance
from ingot.messages.base import Message
from ingot.messages.distribution import DistribProfile
from ingot.messages.package import OSUpdate, OSUpdates, Pkg, PkgList
from ingot.messages.scan import AbstractWinApplication, AbstractWinApplications, WinService, WinServices
from ingot.services import appliances, os_profiles, os_updates
from ingot.services.errors import NotFoundError
from ingot.services.os_profiles import WantedPackage
from ingot.store import tables
from ingot.store.base import now

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


@_chapter.operation(
    "applianceOSUpdates_get",
    "GET",
    f"{_BASE}/{{osid}}/updates",
    entitlements=_DESIGN,
    answer=OSUpdates,
    query=("at", "from", "simulate", "to"),
)
def updates_get(call: Call) -> Message:
    """The newer versions of an appliance's packages by date, between `from` (its own time) and `to` (now); with
    `simulate`, what would be another version `at` a time, forward or back."""
    row = find_appliance(call)
    os_profiles.find(row, call.number("osid"))
    start = moment(call.query, "from") or row.last_package_update
    end = moment(call.query, "to") or now()
    answer = OSUpdates(os_release_date=row.distribution.release_date)
    if flag(call.query, "simulate"):
        at = moment(call.query, "at") or end
        changes = os_updates.simulate(call.session, row, start, at)
        answer.simulation_date = at
        answer.simulation = [
            OSUpdate(curr_pkg=package(one.before), new_pkg=package(one.after), date=at) for one in changes
        ]
        return answer
    found = os_updates.available(call.session, row, start, end)
    answer.avail_updates = [
        OSUpdate(date=date, num_updates=len(packages), pkgs=packages)
        for date, packages in (
            (date, [package(one) for one in group]) for date, group in groupby(found, lambda one: one.created)
        )
    ]
    return answer


@_chapter.operation(
    "applianceOSUpdates_save",
    "PUT",
    f"{_BASE}/{{osid}}/updates",
    entitlements=_DESIGN,
    answer=Appliance,
    query=("at",),
)
def updates_save(call: Call) -> Message:
    """Choose an appliance's packages as they were `at` a time (now) from here on, forward or back."""
    row = find_appliance(call)
    os_profiles.find(row, call.number("osid"))
    os_updates.move(call.session, row, moment(call.query, "at") or now(), call.server.settings)
    return represent(call, row)


@_chapter.operation(
    "applianceOSProfileServices_getAll",
    "GET",
    f"{_BASE}/{{osid}}/services",
    entitlements=_DESIGN,
    answer=WinServices,
    query=QUERY_PARAMETERS,
)
def services_get_all(call: Call) -> Message:
    """The Windows services of an OS profile: those of Linux have none."""
    os_profiles.find(find_appliance(call), call.number("osid"))
    return WinServices(total=0, win_services=[])


@_chapter.operation(
    "applianceOSProfileServices_get",
    "GET",
    f"{_BASE}/{{osid}}/services/{{sid}}",
    entitlements=_DESIGN,
    answer=WinService,
)
def services_get(call: Call) -> Message:
    """A Windows service of an OS profile."""
    raise _nothing_of_windows(call, "service", call.number("sid"))


@_chapter.operation(
    "applianceOSProfileApplications_getAll",
    "GET",
    f"{_BASE}/{{osid}}/applications",
    entitlements=_DESIGN,
    answer=AbstractWinApplications,
    query=QUERY_PARAMETERS,
)
def applications_get_all(call: Call) -> Message:
    """The Windows applications of an OS profile: those of Linux have none."""
    os_profiles.find(find_appliance(call), call.number("osid"))
    return AbstractWinApplications(total=0, abstract_win_applications=[])


@_chapter.operation(
    "applianceOSProfileApplications_get",
    "GET",
    f"{_BASE}/{{osid}}/applications/{{appid}}",
    entitlements=_DESIGN,
    answer=AbstractWinApplication,
)
def applications_get(call: Call) -> Message:
    """A Windows application of an OS profile."""
    raise _nothing_of_windows(call, "application", call.number("appid"))


def _nothing_of_windows(call: Call, what: str, number: int) -> NotFoundError:
    row = find_appliance(call)
    os_profiles.find(row, call.number("osid"))
    return NotFoundError(f"Appliance {row.name} has no Windows {what} {number}: it is of {row.distribution.name}.")
