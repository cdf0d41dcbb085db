"""Install packages into a tree: unpack, then let dpkg configure them."""

import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from ingot.build.sandbox import run_in_tree
from ingot.build.tree.initramfs import kernels, make_initramfs

#: Tools that look at the running machine: meaningless in a tree. The engine does their work, once. And the question
#: whether this is a changed root: asked in one that has its own first process, it is answered wrongly.
_POSTPONED = ("/usr/sbin/update-initramfs", "/usr/sbin/update-grub", "/usr/sbin/grub-install", "/usr/bin/ischroot")
_CERTIFICATES = "/usr/sbin/update-ca-certificates"
#: Programs that are told of new certificates, such as Java's own store: their packages count on the certificates.
_CERTIFICATE_HOOKS = "etc/ca-certificates/update.d/*"
_DPKG = ("dpkg", "--force-unsafe-io", "--force-confnew")
_BATCH = 300


def install_base(
    tree: Path,
    files: Sequence[Path],
    *,
    work: Path,
    env: Mapping[str, str],
    log: Path,
    on_progress: Callable[[float, str], None],
) -> None:
    """Fill an empty tree with packages and, for one that boots, make the initial RAM disk of its kernels.

    `on_progress` gets the part done (0 to 1) and what is going on.
    """
    from ingot.build.tree.unpack import (  # noqa: PLC0415 - its libraries are for those alone who make a base
        base_closure,
        make_skeleton,
        read_package_files,
        unpack,
    )

    packages = read_package_files(files, work)
    make_skeleton(tree)
    base = base_closure(packages)
    scripted = [package for package in packages if package.name not in base and package.needs_preinst_first]
    direct = [package for package in packages if package not in scripted]
    unpack(direct, tree, lambda done: on_progress(0.4 * done / len(packages), "Installing packages"))
    with _quiet_services(tree):
        _run_preinst_scripts(tree, [p.info_name for p in direct if p.has_preinst and p.name in base], env, log)
        # Everything else counts on the system's users and on a shell.
        _dpkg(tree, ["--force-depends", "--configure", "base-passwd", "base-files", "dash", "bash"], env=env, log=log)
        _run_preinst_scripts(tree, [p.info_name for p in direct if p.has_preinst and p.name not in base], env, log)
        _unpack_with_dpkg(tree, [package.path for package in scripted], env, log)
        on_progress(0.5, "Configuring packages")
        certificates = (tree / _CERTIFICATES[1:]).exists() and not any(tree.glob(_CERTIFICATE_HOOKS))
        postponed = (*_POSTPONED, _CERTIFICATES) if certificates else _POSTPONED
        _configure(tree, len(packages), env, log, on_progress, postponed)
        with ThreadPoolExecutor(1) as beside:
            # The one keeps a core busy, and neither looks at what the other makes.
            certified = beside.submit(run_in_tree, tree, [_CERTIFICATES], env=env) if certificates else None
            if kernels(tree):
                on_progress(0.8, "Making the initial RAM disk")
                make_initramfs(tree, env, log)
        if certified is not None:
            certified.result()


def install_more(
    tree: Path, files: Sequence[Path], *, env: Mapping[str, str], log: Path, on_progress: Callable[[float, str], None]
) -> None:
    """Add packages to a tree that has its base."""
    with _quiet_services(tree):
        _unpack_with_dpkg(tree, files, env, log)
        on_progress(0.5, "Configuring packages")
        _configure(tree, len(files), env, log, on_progress)


def _run_preinst_scripts(tree: Path, names: Sequence[str], env: Mapping[str, str], log: Path) -> None:
    """Run the scripts of the base: before it was unpacked, not even they could run."""
    lines = ["set -e", "export DPKG_MAINTSCRIPT_NAME=preinst DPKG_ROOT= DPKG_ADMINDIR=/var/lib/dpkg"]
    for name in names:
        package = shlex.quote(name.partition(":")[0])
        script = shlex.quote(f"/var/lib/dpkg/info/{name}.preinst")
        # The script may be the last thing that is heard of a build.
        lines += [f"echo Running {script}", f"DPKG_MAINTSCRIPT_PACKAGE={package} {script} install"]
    run_in_tree(tree, ["sh", "-c", "\n".join(lines)], env=env, log=log)


def _unpack_with_dpkg(tree: Path, files: Sequence[Path], env: Mapping[str, str], log: Path) -> None:
    for start in range(0, len(files), _BATCH):
        batch = files[start : start + _BATCH]
        binds = [(file, f"/tmp/{file.name}") for file in batch]  # noqa: S108 - the sandbox's own
        _dpkg(tree, ["--force-depends", "--unpack", *(path for _, path in binds)], binds=binds, env=env, log=log)


def _configure(
    tree: Path,
    count: int,
    env: Mapping[str, str],
    log: Path,
    on_progress: Callable[[float, str], None],
    postponed: Sequence[str] = _POSTPONED,
) -> None:
    done = 0

    def follow(line: str) -> None:
        nonlocal done
        if line.startswith("status: ") and line.endswith(": installed"):
            done += 1
            on_progress(min(0.8, 0.5 + 0.3 * done / count), "Configuring packages")

    with tempfile.TemporaryDirectory() as directory:
        nothing = Path(directory) / "nothing"
        nothing.write_text("#!/bin/sh\nexit 0\n", encoding="ascii")
        nothing.chmod(0o755)
        _dpkg(
            tree,
            ["--configure", "--pending"],
            binds=[(nothing, path) for path in postponed if (tree / path.lstrip("/")).exists()],
            on_line=follow,
            env=env,
            log=log,
        )


def _dpkg(
    tree: Path,
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    log: Path,
    binds: Sequence[tuple[Path, str]] = (),
    on_line: Callable[[str], None] | None = None,
) -> None:
    # dpkg closes the status descriptor before it runs a script, so it must not be standard output itself.
    command = ["sh", "-c", 'exec "$@" 3>&1', "sh", *_DPKG, "--status-fd", "3", *arguments]
    run_in_tree(tree, command, binds=binds, on_line=on_line, env=env, log=log)


@contextmanager
def _quiet_services(tree: Path) -> Iterator[None]:
    """No package may start a service while it is being installed."""
    policy = tree / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()
