"""`ingot os` and `ingot format`: what appliances can be made of and into."""

from concurrent.futures import ThreadPoolExecutor

from rich.filesize import decimal

from ingot.build.formats.registry import FORMATS
from ingot.cli.output import WRONG_USE, Output, fail, print_json, print_rows, say
from ingot.cli.remote import connected, package_version, plain, print_messages
from ingot.client import find
from ingot.client.connection import Connection
from ingot.messages.distribution import DistribProfiles, Distribution, Distributions
from ingot.messages.package import Pkg, PkgList
from ingot.messages.target import TargetFormats

_PARALLEL = 4


def os_list(output: Output) -> None:
    """The operating systems with their profiles."""
    with connected() as connection:
        rows = connection.get(connection.user_path("distros"), Distributions).distributions

        def profiles(row: Distribution) -> list[str]:
            answer = connection.get(f"{row.uri}/profiles", DistribProfiles)
            return [profile.name or "" for profile in answer.distrib_profiles]

        with ThreadPoolExecutor(_PARALLEL) as pool:
            names = dict(zip((row.db_id for row in rows), pool.map(profiles, rows), strict=True))
    if output is Output.JSON:
        print_json([{**plain(row), "profiles": names[row.db_id]} for row in rows])
        return
    columns = {
        "Id>": lambda row: row.db_id,
        "Name": lambda row: row.name,
        "Version": lambda row: row.version,
        "Arch": lambda row: row.arch,
        "Released": lambda row: f"{row.release_date:%Y-%m-%d}" if row.release_date else "",
        "Profiles": lambda row: ", ".join(names[row.db_id]),
    }
    print_rows(rows, columns, "There are no operating systems that you may use: ask an administrator.")


def os_search(name: str, words: str, limit: int, output: Output) -> None:
    """The packages of an operating system whose names fit."""
    if not words.strip() or set(words) & set("'\"();,"):
        fail(f"{words} is no part of a package's name: leave out quotes, commas and the like.", code=WRONG_USE)
    with connected() as connection:
        distribution = find.distribution(connection, name)
        path = f"{distribution.uri}/pkgs"
        packages = _found(connection, path, words, limit + 1)
        if "*" not in words:  # what is called just so comes first, however much else has the word in it
            exact = connection.get(path, PkgList, {"query": f"name=='{words}'"}).pkgs
            packages = exact + [package for package in packages if package.name != words]
    shown = packages[:limit]
    columns = {
        "Package": lambda row: row.name,
        "Version": package_version,
        "Arch": lambda row: row.arch,
        "Size>": lambda row: decimal(row.size or 0),
    }
    empty = f"No package of {distribution.name} {distribution.version} fits {words}."
    print_messages(shown, output, columns, empty)
    if len(packages) > limit:
        say(f"There are more than {limit}: give more of the name, or a larger --limit.")


def _found(connection: Connection, path: str, words: str, most: int) -> list[Pkg]:
    """The first packages whose names fit, page by page: one answer of a server does not have them all."""
    found: list[Pkg] = []
    while len(found) < most:
        query = {"query": f"name=={words}", "count": str(most - len(found)), "offset": str(len(found))}
        page = connection.get(path, PkgList, query).pkgs
        if not page:
            break
        found += page
    return found


def format_list(output: Output) -> None:
    """The formats that images can have."""
    with connected() as connection:
        rows = connection.get(connection.user_path("targetformats"), TargetFormats).target_formats
    columns = {
        "Name": lambda row: row.name,
        "Image format": lambda row: row.format.name if row.format else "",
        "Category": lambda row: row.category.name if row.category else "",
        "Account": lambda row: row.cred_account_type,
    }
    print_messages(rows, output, columns, "There are no formats that you may use: ask an administrator.")


def local_formats(output: Output) -> None:
    """The formats of `ingot build`."""
    rows = sorted(FORMATS.values(), key=lambda row: row.name.lower())
    if output is Output.JSON:
        print_json(
            [
                {"name": row.name, "content": row.content, "suffix": row.suffix, "tools": list(row.tools)}
                for row in rows
            ]
        )
        return
    columns = {
        "Name": lambda row: row.name,
        "Ends with": lambda row: row.suffix,
        "Content": lambda row: row.content,
        "Agents": lambda row: ", ".join(row.tools),
    }
    print_rows(rows, columns, "")
