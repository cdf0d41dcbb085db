"""Ask dnf: run by the system's own Python, which has dnf's modules; it imports nothing of Ingot.

usage: dnf_query.py refresh|resolve|available|download, with a JSON document on standard input:
{"root", "arch", "release", "repositories": [{"id", "uri"}], …}. The answer is JSON on standard output; what is wrong
with the question is {"error": words}.
"""

import difflib
import json
import pathlib
import sys
from collections import deque

import dnf
import hawkey
import librepo


def main(command, question):
    if command == "download":
        return download(question)
    base = dnf.Base()
    try:
        base_configuration(base, question, fetch=command == "refresh")
        if command == "refresh":
            return {}
        if command == "available":
            for package in base.sack.query().available():
                print(json.dumps(description(package)))
            return None
        return resolve(base, question["wanted"], question["own"])
    finally:
        base.close()


def base_configuration(base, question, *, fetch):
    root, conf = question["root"], base.conf
    conf.installroot = f"{root}/empty"
    conf.cachedir, conf.persistdir, conf.logdir = f"{root}/cache", f"{root}/persist", f"{root}/log"
    for directory in (conf.installroot, conf.cachedir, conf.persistdir, conf.logdir):
        pathlib.Path(directory).mkdir(parents=True, exist_ok=True)
    conf.reposdir, conf.varsdir, conf.pluginpath = [], [], []
    conf.install_weak_deps = False
    conf.module_platform_id = "platform:none"
    conf.substitutions["arch"] = question["arch"]
    conf.substitutions["basearch"] = dnf.rpm.basearch(question["arch"])
    conf.substitutions["releasever"] = question["release"]
    for entry in question["repositories"]:
        repository = base.repos.add_new_repo(entry["id"], conf, baseurl=[entry["uri"]], skip_if_unavailable=False)
        repository.metadata_expire = 0 if fetch else -1
        if fetch:
            repository.load()
    base.fill_sack(load_system_repo=False)


def resolve(base, wanted, files):
    own = dict(zip(base.add_remote_rpms(files), files, strict=True))
    available = base.sack.query().available()
    unknown = []
    for package in wanted:
        found = available.filter(name=package["name"])
        if not found:
            near = difflib.get_close_matches(package["name"], {one.name for one in available}, n=3)
            unknown.append(f"{package['name']} (did you mean {', '.join(near)}?)" if near else package["name"])
            continue
        if package["version"] is not None:
            versions = sorted({full_version(one) for one in found})
            found = [one for one in found if full_version(one) == package["version"]]
            if not found:
                words = f"Package {package['name']} has no version {package['version']}. Its versions are: "
                return {"error": f"{words}{', '.join(versions)}."}
            base.package_install(found[0])
        else:
            base.install(package["name"])
    if unknown:
        return {"unknown": unknown}
    for package in own:
        base.package_install(package)
    try:
        base.resolve()
    except dnf.exceptions.DepsolveError as error:
        return {"error": f"The packages cannot be installed together. dnf says: {error}"}
    chosen = sorted(base.transaction.install_set, key=lambda one: (one.name, one.arch))
    distance = levels(base, chosen, {package["name"] for package in (*wanted, *({"name": one.name} for one in own))})
    return {"packages": [{**described(one, own), "level": distance[one]} for one in chosen]}


def described(package, own):
    """A package of the solution; one of the user's own files is named by its hash and has no place."""
    if package not in own:
        return description(package)
    digest = own[package].rpartition("/")[2].partition(".")[0]
    return {**description(package), "sha256": digest, "repository": "", "path": ""}


def levels(base, chosen, asked):
    """Distance of every package from those asked for, along what they require."""
    among = base.sack.query().filter(pkg=chosen)
    found = {package: 0 for package in chosen if package.name in asked}
    queue = deque(found)
    while queue:
        package = queue.popleft()
        for provider in among.filter(provides=package.requires):
            if provider not in found:
                found[provider] = found[package] + 1
                queue.append(provider)
    return {package: found.get(package, 1) for package in chosen}


def description(package):
    kind, digest = package.chksum or (0, b"")
    return {
        "name": package.name,
        "version": full_version(package),
        "arch": package.arch,
        "sha256": digest.hex() if kind and hawkey.chksum_name(kind) == "sha256" else "",
        "size": package.downloadsize,
        "installed_size": package.installsize,
        "repository": package.reponame,
        "path": package.location,
        "section": package.group or "",
        "description": package.summary or "",
    }


def full_version(package):
    epoch = f"{package.epoch}:" if package.epoch else ""
    return f"{epoch}{package.version}-{package.release}"


def download(question):
    handle = librepo.Handle()
    handle.repotype = librepo.YUMREPO
    targets = [
        librepo.PackageTarget(
            one["path"],
            handle=handle,
            dest=one["target"],
            checksum_type=librepo.SHA256,
            checksum=one["sha256"],
            expectedsize=one["size"],
            base_url=one["uri"],
        )
        for one in question["files"]
    ]
    librepo.download_packages(targets, failfast=True)
    failed = [f"{target.relative_url}: {target.err}" for target in targets if target.err]
    return {"error": f"Packages could not be fetched: {'; '.join(failed[:3])}."} if failed else {}


if __name__ == "__main__":
    try:
        answer = main(sys.argv[1], json.load(sys.stdin))
    except (dnf.exceptions.Error, librepo.LibrepoException) as error:
        answer = {"error": f"dnf says: {error}"}
    if answer is not None:
        print(json.dumps(answer))
