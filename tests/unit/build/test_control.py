"""What package files say of themselves, also those of strangers."""

import subprocess
from pathlib import Path

import pytest

from ingot.build.errors import BuildError
from ingot.build.packages.control import read_control


def _package(directory: Path, control: str) -> Path:
    (directory / "p/DEBIAN").mkdir(parents=True)
    (directory / "p/DEBIAN/control").write_text(control)
    argv = ["dpkg-deb", "--nocheck", "--build", directory / "p", directory / "p.deb"]
    subprocess.run(argv, check=True, capture_output=True)
    return directory / "p.deb"


def test_a_package_tells_its_name_version_and_architecture(tmp_path: Path) -> None:
    control = read_control(_package(tmp_path, "Package: app\nVersion: 2:1.5-3\nArchitecture: amd64\nDepends: x\n"))
    assert (control["Package"], control["Version"], control["Architecture"]) == ("app", "2:1.5-3", "amd64")


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.deb").write_bytes(b"no package")
    with pytest.raises(BuildError, match="is no Debian package") as error:
        read_control(tmp_path / "x.deb")
    assert str(tmp_path) not in error.value.message
    with pytest.raises(BuildError, match="does not say its Version"):
        read_control(_package(tmp_path, "Package: app\nArchitecture: amd64\n"))


def test_a_bomb_is_not_unpacked_into_memory(tmp_path: Path) -> None:
    huge = "Package: app\nVersion: 1\nArchitecture: all\nDescription: x\n" + " y" * (20 << 20) + "\n"
    with pytest.raises(BuildError, match="far too large"):
        read_control(_package(tmp_path, huge))
