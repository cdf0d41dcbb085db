"""Publishing to a real libvirt, and machines that it starts."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ingot.messages.extension import CredAccountLibvirt, PublishImageLibvirt
from ingot.publish import libvirt_machines as module
from ingot.publish.libvirt import LibvirtTarget
from ingot.publish.machine import Wanted
from ingot.publish.target import PublishError, Source
from tests.publish.conftest import Broken, Notes, as_format
from tests.publish.servers import libvirt


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    # A socket's path has to be short, and the daemon's user has to reach it.
    import tempfile

    with tempfile.TemporaryDirectory(prefix="ingot-lv-") as name:
        Path(name).chmod(0o755)
        yield Path(name) / "d"


@pytest.fixture(scope="module")
def account(root: Path) -> Iterator[CredAccountLibvirt]:
    with libvirt(root) as uri:
        yield CredAccountLibvirt(connection_uri=uri)


def _image(name: str) -> PublishImageLibvirt:
    return PublishImageLibvirt(storage_pool="images", display_name=name)


def _info(file: Path) -> dict[str, object]:
    argv = ["qemu-img", "info", "-U", "--output=json", "--backing-chain", file]
    done = subprocess.run(argv, check=True, capture_output=True)
    first: dict[str, object] = json.loads(done.stdout)[0]
    return first


@pytest.fixture
def qcow2(raw_disk: Source, tmp_path: Path) -> Source:
    file = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw_disk.file, file], check=True)
    return replace(raw_disk, file=file, size=file.stat().st_size, format="qcow2")


def test_a_raw_disk_becomes_a_volume_with_its_holes(account: CredAccountLibvirt, root: Path, raw_disk: Source) -> None:
    notes = Notes()
    published = LibvirtTarget(account, _image("raw"), as_format(raw_disk, "raw"), notes.journal()).run()
    volume = root / "pool" / "raw.raw"
    assert published.cloud_id == "images/raw.raw"
    assert published.location == str(volume)
    assert volume.read_bytes() == raw_disk.file.read_bytes()
    assert volume.stat().st_blocks * 512 < 10 << 20
    assert notes.reports[-1] == (raw_disk.size, raw_disk.size)
    assert notes.last == {"published": [published.cloud_id, published.location]}
    with pytest.raises(PublishError, match=r"already has a volume raw\.raw"):
        LibvirtTarget(account, _image("raw"), as_format(raw_disk, "raw"), Notes().journal()).run()


def test_a_volume_that_died_goes_on_and_one_that_is_given_up_is_removed(
    account: CredAccountLibvirt, root: Path, raw_disk: Source
) -> None:
    source = as_format(raw_disk, "raw")
    dying = Notes(dies_after=2)
    with pytest.raises(Broken):
        LibvirtTarget(account, _image("dying"), source, dying.journal()).run()
    LibvirtTarget(account, _image("dying"), source, Notes().journal(dying.last)).run()
    assert (root / "pool" / "dying.raw").read_bytes() == raw_disk.file.read_bytes()
    dying = Notes(dies_after=2)
    with pytest.raises(Broken):
        LibvirtTarget(account, _image("given-up"), source, dying.journal()).run()
    assert (root / "pool" / "given-up.raw").exists()
    LibvirtTarget(account, _image("given-up"), source, Notes().journal(dying.last)).abort()
    assert not (root / "pool" / "given-up.raw").exists()
    LibvirtTarget(account, _image("given-up"), source, Notes().journal(dying.last)).abort()


def test_a_machine_is_started_over_the_image_and_ended(
    account: CredAccountLibvirt, root: Path, qcow2: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    # There is no system on the disk that would listen.
    monkeypatch.setattr(module, "_GRACE_SECONDS", 0.0)
    image = _image("base")
    image.cloud_id = LibvirtTarget(account, image, qcow2, Notes().journal()).run().cloud_id
    before = (root / "pool" / "base.qcow2").read_bytes()
    machine = module.start(account, image, Wanted("web1", cores=1, memory=128))
    disk = root / "pool" / "web1.qcow2"
    try:
        assert module.look(account, image, machine.id).state == "running"
        info = _info(disk)
        assert info["virtual-size"] == 100 << 20
        assert str(info["full-backing-filename"]).endswith("base.qcow2")
        # Begun again: the same machine, and no second one.
        assert module.start(account, image, Wanted("web1")).id == machine.id
        assert module.look(account, image, machine.id).state == "running"
        assert module.act(account, image, machine.id, "stop").state == "stopped"
        assert module.act(account, image, machine.id, "stop").state == "stopped"
        assert module.act(account, image, machine.id, "start").state == "running"
        assert module.act(account, image, machine.id, "restart").state == "running"
    finally:
        module.terminate(account, image, machine.id)
    assert module.look(account, image, machine.id).state == "gone"
    assert not disk.exists()
    assert (root / "pool" / "base.qcow2").read_bytes() == before
    module.terminate(account, image, machine.id)


def test_faults_are_told_in_libvirt_s_words(account: CredAccountLibvirt, raw_disk: Source) -> None:
    source = as_format(raw_disk, "raw")
    nowhere = PublishImageLibvirt(storage_pool="nowhere", display_name="x")
    with pytest.raises(PublishError, match="no storage pool with matching name 'nowhere'"):
        LibvirtTarget(account, nowhere, source, Notes().journal()).run()
    with pytest.raises(PublishError, match="is no name for a volume"):
        LibvirtTarget(account, _image("a/b"), source, Notes().journal()).run()
    with pytest.raises(PublishError, match="none of libvirt's"):
        LibvirtTarget(CredAccountLibvirt(connection_uri="x"), _image("x"), source, Notes().journal()).run()
