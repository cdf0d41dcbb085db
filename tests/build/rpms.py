"""A small distribution of RPM packages, made of what Debian's packages hold: only their packaging is ours.

Its kernel, its init, its tools are real; where Debian's maintainer scripts do something that a machine needs (users,
links, authentication), the packages here have scriptlets or files of their own.
"""

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from ingot.build.distributions import find_distribution
from ingot.build.families import repository_of
from ingot.build.packages.fetch import fetch
from ingot.build.template import Package

VERSION = "1"
_DEBIAN = ("Debian", "12", "x86_64")
_WANTED = (
    "dbus", "dracut-core", "e2fsprogs", "grub-common", "grub-efi-amd64-bin", "grub-efi-amd64-signed", "grub-pc-bin",
    "grub2-common", "iproute2", "kbd", "kmod", "linux-image-amd64", "login", "passwd", "shim-signed",
    "systemd-resolved", "systemd-sysv", "tzdata", "udev", "zstd",
)  # fmt: skip
#: Packages of Debian's that do not belong on such a machine.
_LEFT_OUT = ("apt", "debconf", "debianutils", "dpkg", "initramfs", "klibc", "busybox", "ucf", "perl", "gpgv",
             "adduser", "debian-archive", "linux-base", "init-system-helpers", "sysvinit")  # fmt: skip
_DROPPED = ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian",
            "usr/share/bug", "var/lib/dpkg", "usr/share/i18n")  # fmt: skip
#: Drivers that no virtual machine needs: most of the kernel's package, and of the time to handle it.
_UNUSED_MODULES = ("sound", "drivers/gpu", "drivers/media", "drivers/infiniband", "drivers/staging", "drivers/iio",
                   "drivers/net/wireless", "drivers/net/ethernet", "drivers/hwmon", "net/wireless")  # fmt: skip
_MERGED = ("bin", "lib", "lib64", "sbin")
_PAM = {
    "common-account": "account required pam_unix.so\n",
    "common-auth": "auth required pam_unix.so\n",
    "common-password": "password required pam_unix.so yescrypt\n",
    "common-session": "session required pam_unix.so\n",
    "common-session-noninteractive": "session required pam_unix.so\n",
}
_SPEC = """\
Name: {name}
Version: {version}
Release: 1
Summary: {name} of the test distribution
License: see Debian
AutoReqProv: no
{relations}
%description
Made by a test.
{scriptlets}
%files
{files}
"""


@dataclass
class _Part:
    """A package to be: its files below `root`, its relations and its scriptlets."""

    name: str
    root: Path
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    scriptlets: dict[str, str] = field(default_factory=dict)
    configuration: tuple[str, ...] = ()


def make_distribution(cache: Path, work: Path) -> Path:
    """Make a signed repository and the definition of a distribution below `work`; returns the definitions' file."""
    root = work / "everything"
    _unpack(cache, root)
    parts = _split(root, work / "parts")
    repository = work / "repository"
    repository.mkdir()
    for part in parts:
        _build(part, work / "rpmbuild", repository)
    packages = sorted(repository.glob("*.rpm"))
    key = _make_key(work, "testora")
    _make_key(work, "other")
    sign = ["rpmsign", "--define", "__gpg /usr/bin/gpg", "--define", "_gpg_name testora@example.org"]
    sign += ["--define", f"_gpg_path {work / 'gnupg'}", "--addsign"]
    subprocess.run([*sign, *map(str, packages)], check=True, capture_output=True)
    subprocess.run(["gpgconf", "--homedir", work / "gnupg", "--kill", "all"], check=True)
    subprocess.run(["createrepo_c", "--quiet", repository], check=True)
    file = work / "distributions.yml"
    file.write_text(_definition(key), encoding="utf-8")
    return file


def _definition(key: Path) -> str:
    return f"""\
distributions:
  - family: rpm
    name: Testora
    version: {VERSION}
    arch: x86_64
    codename: testora
    releaseDate: 2024-01-01
    suites: [{{archive: testora, name: base}}]
    keyring: {key}
    bootPackages: [kernel-core, grub2, shim-x64, dracut, systemd]
    profiles:
      - {{name: Minimal, packages: [core, kbd]}}
    efiDirectory: debian
"""


def _unpack(cache: Path, root: Path) -> None:
    """Debian's files, all in one directory, with a merged /usr."""
    root.mkdir(parents=True)
    for name in _MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    repository = repository_of(find_distribution(*_DEBIAN), cache)
    packages = [
        package
        for package in repository.resolve([Package(name=name) for name in _WANTED])
        if not package.name.startswith(_LEFT_OUT) or package.name.startswith("libperl")
    ]
    files = fetch(repository, packages, cache)
    for package in packages:
        content = subprocess.run(
            ["dpkg-deb", "--fsys-tarfile", files[package.sha256]], check=True, stdout=subprocess.PIPE
        ).stdout
        options = ["--extract", "--keep-directory-symlink", "--preserve-permissions", "--same-owner"]
        subprocess.run(["tar", *options, "--directory", root], input=content, check=True)
    for name in _DROPPED:
        shutil.rmtree(root / name, ignore_errors=True)
    for name in _MERGED:
        (root / name).unlink()


def _split(root: Path, parts: Path) -> list[_Part]:
    """Share the files out to packages: whatever has no package of its own is in `core`."""
    kernel = _Part("kernel-core", parts / "kernel-core", ("core", "dracut"))
    version = next((root / "usr/lib/modules").iterdir()).name
    _move(root, kernel.root, f"usr/lib/modules/{version}")
    (root / f"boot/vmlinuz-{version}").rename(kernel.root / f"usr/lib/modules/{version}/vmlinuz")
    shutil.rmtree(root / "boot")
    for name in _UNUSED_MODULES:
        shutil.rmtree(kernel.root / f"usr/lib/modules/{version}/kernel" / name)
    kernel.scriptlets["post"] = f"depmod {version}"

    shim = _Part("shim-x64", parts / "shim-x64", ("filesystem",))
    directory = shim.root / "boot/efi/EFI/debian"
    directory.mkdir(parents=True)
    shutil.move(root / "usr/lib/shim/shimx64.efi.signed", directory / "shimx64.efi")
    shutil.move(root / "usr/lib/shim/mmx64.efi.signed", directory / "mmx64.efi")
    shutil.move(root / "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed", directory / "grubx64.efi")
    shutil.rmtree(root / "usr/lib/shim")

    grub = _Part("grub2", parts / "grub2", ("core",))
    _move(root, grub.root, "usr/lib/grub")
    (grub.root / "usr/bin").mkdir(parents=True)
    shutil.move(root / "usr/bin/grub-mkimage", grub.root / "usr/bin/grub2-mkimage")

    dracut = _Part("dracut", parts / "dracut", ("core", "systemd"))
    for name in ("usr/lib/dracut", "usr/bin/dracut", "usr/bin/lsinitrd", "etc/dracut.conf"):
        _move(root, dracut.root, name)
    # What a virtual machine boots from, and no more: thousands of drivers would take most of the test's time.
    configuration = dracut.root / "etc/dracut.conf.d/testora.conf"
    configuration.parent.mkdir(parents=True)
    configuration.write_text('drivers=" virtio_blk virtio_pci ext4 crc32c_generic "\n', encoding="ascii")

    systemd = _Part("systemd", parts / "systemd", ("core",))
    for name in ("usr/lib/systemd", "usr/lib/udev", "etc/systemd", "usr/lib/sysusers.d", "usr/lib/tmpfiles.d"):
        _move(root, systemd.root, name)
    users = systemd.root / "usr/lib/sysusers.d/testora.conf"
    users.write_text("u messagebus - - /nonexistent\n", encoding="ascii")
    systemd.scriptlets["post"] = "systemd-sysusers\nsystemctl preset-all >/dev/null 2>&1 || :"
    systemd.configuration = ("/etc/systemd/journald.conf",)

    kbd = _Part("kbd", parts / "kbd", ("core",))
    for name in ("loadkeys", "setfont", "kbd_mode", "dumpkeys", "openvt", "fgconsole"):
        _move(root, kbd.root, f"usr/bin/{name}")
    keymaps = kbd.root / "usr/lib/kbd/keymaps"
    keymaps.mkdir(parents=True)
    (keymaps / "de.map").write_text("keymaps 0\nkeycode 21 = z\nkeycode 44 = y\n", encoding="ascii")

    filesystem = _filesystem(root, parts / "filesystem")
    # What Debian's scripts would have made.
    for link, target in {"usr/bin/awk": "mawk", "usr/bin/sh": "dash", "etc/mtab": "../proc/self/mounts"}.items():
        (root / link).unlink(missing_ok=True)
        (root / link).symlink_to(target)
    for name, line in _PAM.items():
        (root / f"etc/pam.d/{name}").write_text(line, encoding="ascii")
    for path in sorted(filesystem.root.rglob("*"), reverse=True):
        ours = root / path.relative_to(filesystem.root)
        if ours.is_symlink():
            ours.unlink()
        elif ours.is_dir() and not any(ours.iterdir()):
            ours.rmdir()
    core = _Part("core", root, ("filesystem",), ("/bin/sh",), {"post": "ldconfig"})
    return [filesystem, core, systemd, dracut, kernel, grub, shim, kbd, _hello(parts / "hello"), _impossible(parts)]


def _filesystem(root: Path, place: Path) -> _Part:
    for name in (
        "proc",
        "sys",
        "dev",
        "run",
        "root",
        "home",
        "etc",
        "boot/efi",
        "var/log",
        "var/lib",
        "var/tmp",
        "tmp",
    ):
        (place / name).mkdir(parents=True, exist_ok=True)
    for name in _MERGED:
        (place / "usr" / name).mkdir(parents=True, exist_ok=True)
        (place / name).symlink_to(f"usr/{name}")
    for name in ("tmp", "var/tmp"):
        (place / name).chmod(0o1777)
    (place / "var/run").symlink_to("../run")
    for name in ("passwd", "group"):
        shutil.copy(root / f"usr/share/base-passwd/{name}.master", place / f"etc/{name}")
    (place / "etc/shadow").write_text("root:*:19000:0:99999:7:::\n", encoding="ascii")
    (place / "etc/gshadow").write_text("root:*::\n", encoding="ascii")
    (place / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n", encoding="ascii")
    (place / "etc/securetty").write_text("", encoding="ascii")
    for name in ("etc/os-release", "usr/lib/os-release"):
        (root / name).unlink(missing_ok=True)
    (place / "usr/lib/os-release").write_text(
        f'ID=testora\nNAME=Testora\nVERSION_ID={VERSION}\nPRETTY_NAME="Testora {VERSION}"\n', encoding="ascii"
    )
    (place / "etc/os-release").symlink_to("../usr/lib/os-release")
    configuration = ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/nsswitch.conf")
    return _Part("filesystem", place, configuration=configuration)


def _hello(place: Path) -> _Part:
    """A package to be added to a machine, with all that packages do: a user, a configuration, a service."""
    (place / "etc").mkdir(parents=True)
    (place / "etc/hello.conf").write_text("greeting=hello\n", encoding="ascii")
    (place / "usr/lib/systemd/system").mkdir(parents=True)
    unit = "[Service]\nType=oneshot\nUser=hello\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
    (place / "usr/lib/systemd/system/hello.service").write_text(unit, encoding="ascii")
    scriptlets = {
        "pre": "getent passwd hello >/dev/null || useradd --system --no-create-home hello",
        "post": "systemctl enable hello.service\nid -u hello >/etc/hello.id",
    }
    return _Part("hello", place, ("core", "systemd"), (), scriptlets, ("/etc/hello.conf",))


def _impossible(parts: Path) -> _Part:
    (parts / "impossible/etc").mkdir(parents=True)
    (parts / "impossible/etc/impossible").write_text("", encoding="ascii")
    return _Part("impossible", parts / "impossible", ("no-such-thing",))


def _move(root: Path, target: Path, name: str) -> None:
    (target / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).rename(target / name)


def _build(part: _Part, work: Path, repository: Path) -> None:
    files = []
    for path in sorted(part.root.rglob("*")):
        name = f"/{path.relative_to(part.root)}"
        is_directory = path.is_dir() and not path.is_symlink()
        if not is_directory:
            files.append(f'{"%config(noreplace) " if name in part.configuration else ""}"{name}"')
        elif part.name == "filesystem" or not any(path.iterdir()):
            files.append(f'%dir "{name}"')
    relations = "".join(f"Requires: {name}\nRequires(pre): {name}\nRequires(post): {name}\n" for name in part.requires)
    relations += "".join(f"Provides: {name}\n" for name in part.provides)
    scriptlets = "".join(f"%{kind}\n{text}\n" for kind, text in part.scriptlets.items())
    work.mkdir(exist_ok=True)
    spec = work / f"{part.name}.spec"
    spec.write_text(
        _SPEC.format(
            name=part.name, version=VERSION, relations=relations, scriptlets=scriptlets, files="\n".join(files)
        ),
        encoding="utf-8",
    )
    defines = {
        "_topdir": work,
        "_rpmdir": repository,
        "_build_name_fmt": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
        "_buildhost": "test",
        "_binary_payload": "w1T0.zstdio",
        "_build_id_links": "none",
        "__os_install_post": "%{nil}",
    }
    argv: list[object] = ["rpmbuild", "-bb", "--quiet", "--noclean", "--nodeps", "--buildroot", part.root]
    for name, value in defines.items():
        argv += ["--define", f"{name} {value}"]
    subprocess.run([*map(str, argv), str(spec)], check=True, capture_output=True)


def _make_key(work: Path, name: str) -> Path:
    """Make a key to sign with; returns the file with its public half."""
    home, key = work / "gnupg", work / f"RPM-GPG-KEY-{name}"
    home.mkdir(mode=0o700, exist_ok=True)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
    owner = f"{name} <{name}@example.org>"
    subprocess.run([*gpg, "--passphrase", "", "--quick-generate-key", owner, "rsa2048", "sign", "never"], check=True)
    key.write_bytes(subprocess.run([*gpg, "--armor", "--export", owner], check=True, stdout=subprocess.PIPE).stdout)
    return key
