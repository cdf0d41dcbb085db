"""Formats used as their users do: started from, unpacked and run, pushed to a registry."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from ingot.build.boot import Accelerator, BootReport, free_port, running, usable_accelerator
from ingot.build.errors import BuildError
from ingot.build.formats.options import FormatOptions
from ingot.build.formats.registry import find_format
from ingot.build.formats.write import Target, write
from ingot.build.request import BuildRequest, BuildResult
from tests.build.engine import run_engine
from tests.build.formats import small_template, source_of

pytestmark = [pytest.mark.build]
_SECONDS = 600
Build = Callable[..., BuildResult]


@pytest.fixture(scope="module")
def build(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Builds the small machine in a format."""

    def make(format_name: str, *, compress: bool = True, **options: object) -> BuildResult:
        work = tmp_path_factory.mktemp(format_name)
        request = BuildRequest(
            template=small_template(),
            format=format_name,
            compress=compress,
            options=FormatOptions(platform_tools=False, **options),  # type: ignore[arg-type]
            output=work / "image",
            scratch=work,
            cache=cache,
        )
        return run_engine(request)

    return make


@pytest.fixture(scope="module")
def disk(build: Build) -> Path:
    """The raw disk of the small machine."""
    output = build("raw", compress=False).output
    assert output is not None
    return output


@pytest.fixture(scope="module")
def iso(build: Build) -> Path:
    output = build("ISO").output
    assert output is not None
    return output


def _accelerator() -> Accelerator:
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("qemu-system-x86_64 is not installed")
    return usable_accelerator()


def _assert_well(report: BootReport) -> None:
    assert (report.hostname, report.failed_units) == ("small1", 0), report.failed


@pytest.mark.boot
@pytest.mark.slow
@pytest.mark.parametrize("name", ["ovf", "vhd"])
def test_disks_of_other_hypervisors_boot(disk: Path, tmp_path: Path, name: str) -> None:
    source = source_of((disk,), tmp_path / "work", compress=name != "vhd")
    (file,) = write(Target(find_format(name), source, tmp_path / "image"))
    image = file.path
    if name == "ovf":
        with tarfile.open(image) as package:
            (disk_name,) = (member for member in package.getnames() if member.endswith(".vmdk"))
            package.extract(disk_name, tmp_path)
        image = tmp_path / disk_name
    with running(image, accelerator=_accelerator(), guest_ports=()) as machine:
        _assert_well(machine.wait_for_report(_SECONDS))


@pytest.mark.slow
@pytest.mark.boot
def test_a_launch_script_boots_its_machine(disk: Path, tmp_path: Path) -> None:
    write(Target(find_format("kvm"), source_of((disk,), tmp_path / "work"), tmp_path / "image"))
    subprocess.run(["tar", "-xf", tmp_path / "image", "-C", tmp_path], check=True)
    report, log = tmp_path / "report", tmp_path / "console"
    argv = ["setpriv", "--pdeathsig", "KILL", tmp_path / "launch.sh", "-display", "none", "-serial", f"file:{log}"]
    argv += ["-device", "virtio-serial-pci", "-chardev", f"file,id=report,path={report}"]
    argv += ["-device", "virtserialport,chardev=report,name=org.ingot.boot-report"]
    env = {**os.environ, "ACCELERATOR": _accelerator(), "SSH_PORT": str(free_port())}
    with subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL) as machine:
        try:
            deadline = time.monotonic() + _SECONDS
            while not report.exists() or not report.read_bytes().endswith(b"\n"):
                assert machine.poll() is None, "QEMU ended"
                assert time.monotonic() < deadline, log.read_text(errors="replace")[-4000:]
                time.sleep(0.1)
        finally:
            machine.kill()
    _assert_well(BootReport.of_guest(json.loads(report.read_text())))


@pytest.mark.slow
@pytest.mark.boot
def test_a_live_medium_runs_the_machine(iso: Path) -> None:
    """With UEFI; the installer starts from the same medium with BIOS."""
    medium = ["-cdrom", str(iso)]
    with running(
        None, accelerator=_accelerator(), firmware="uefi", memory=1536, guest_ports=(), more=medium
    ) as machine:
        report = machine.wait_for_report(_SECONDS)
    _assert_well(report)
    assert report.firmware == "efi"


def _press(monitor: Path, key: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(monitor))
        connection.recv(1000)
        connection.sendall(f"sendkey {key}\n".encode())
        time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.boot
def test_a_medium_installs_to_an_empty_disk(iso: Path, disk: Path, tmp_path: Path) -> None:
    """Larger than the image, and with an old partition table on it."""
    target, monitor = tmp_path / "target.raw", tmp_path / "monitor"
    with target.open("wb") as file:
        file.write(os.urandom(1 << 20))
        file.truncate(disk.stat().st_size + (64 << 20))
    more = ["-cdrom", str(iso), "-boot", "d", "-monitor", f"unix:{monitor},server=on,wait=off"]
    with running(
        target, accelerator=_accelerator(), memory=1536, guest_ports=(), keep_changes=True, more=more
    ) as machine:
        machine._wait(lambda: "Install Small" in machine.console, _SECONDS, "show its menu")
        _press(monitor, "i")
        machine.wait_for_end(_SECONDS)
        assert "ingot-install: done" in machine.console
    with target.open("rb") as written, disk.open("rb") as original:
        written.seek(1 << 20)
        original.seek(1 << 20)
        # Everything but the two copies of the partition table.
        left = disk.stat().st_size - (3 << 20)
        while left > 0:
            size = min(left, 1 << 22)
            assert written.read(size) == original.read(size)
            left -= size
    with running(target, accelerator=_accelerator(), guest_ports=()) as machine:
        _assert_well(machine.wait_for_report(_SECONDS))


@contextmanager
def _served(directory: Path) -> Iterator[int]:
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(directory)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.boot
def test_ipxe_starts_the_machine_by_network(build: Build, tmp_path: Path) -> None:
    result = build("PXE", compress=False)
    assert result.output is not None
    assert [file.name for file in result.files] == ["boot.ipxe", "initrd.img", "root.squashfs", "vmlinuz"]
    for file in result.files:
        assert hashlib.sha256((result.output / file.name).read_bytes()).hexdigest() == file.sha256
    with _served(result.output) as port:
        # QEMU's own TFTP server has the first script alone, as a network's DHCP server would name it.
        (tmp_path / "start.ipxe").write_text(f"#!ipxe\nchain http://10.0.2.2:{port}/boot.ipxe\n")
        network = f"tftp={tmp_path},bootfile=/start.ipxe"
        with running(
            None, accelerator=_accelerator(), memory=2560, guest_ports=(), network=network, more=["-boot", "n"]
        ) as machine:
            _assert_well(machine.wait_for_report(_SECONDS))


def _run_in(root: Path, *argv: str) -> str:
    """Run a program of a tree with it as the root directory, in namespaces of its own."""
    command = ["unshare", "--fork", "--pid", "--mount", "--uts", "--ipc", "--net", "--root", str(root), *argv]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can unpack a root file system with its owners")


def test_a_root_file_system_is_whole(build: Build, tmp_path: Path, as_root: None) -> None:
    result, again = build("targz"), build("targz")
    assert result.sha256 == again.sha256
    subprocess.run(["tar", "-xzf", str(result.output), "-C", tmp_path, "--xattrs", "--xattrs-include=*"], check=True)
    assert "small1" in (tmp_path / "etc/hostname").read_text()
    assert list(tmp_path.glob("boot/vmlinuz-*"))
    assert "Status: install ok installed" in _run_in(tmp_path, "dpkg", "-s", "iputils-ping")
    assert _run_in(tmp_path, "dpkg", "--verify") == ""
    # Rights that are attributes of files came along.
    assert os.listxattr(tmp_path / "usr/bin/ping") == ["security.capability"]


@contextmanager
def _lxc(place: Path, name: str) -> Iterator[Callable[..., str]]:
    """Start the container that is unpacked in `place`/`name` until the context ends; runs programs in it."""
    if shutil.which("lxc-start") is None or not os.access("/sys/fs/cgroup", os.W_OK):
        pytest.skip("lxc is not installed, or this machine lets nobody make control groups")
    base = ["-P", str(place), "-n", name]
    rootfs = f"lxc.rootfs.path=dir:{place / name / 'rootfs'}"
    settings = ["-s", rootfs, "-s", "lxc.apparmor.profile=unconfined"]
    log = place / "log"
    started = subprocess.run(
        ["lxc-start", *base, *settings, "-o", str(log), "-l", "WARN", "-d"], capture_output=True, check=False
    )
    assert started.returncode == 0, log.read_text()

    def run(*argv: str) -> str:
        attach = ["lxc-attach", *base, "--clear-env", "--", *argv]
        return subprocess.run(attach, capture_output=True, text=True, timeout=_SECONDS, check=False).stdout

    try:
        yield run
    finally:
        subprocess.run(["lxc-stop", *base, "-k"], check=True)


def test_an_lxc_container_starts_with_an_init_and_no_kernel(build: Build, tmp_path: Path, as_root: None) -> None:
    result = build("lxc")
    name = f"ingot-{os.getpid()}"
    container = tmp_path / name
    container.mkdir()
    subprocess.run(["tar", "-xzf", str(result.output), "-C", container], check=True)
    metadata = json.loads((container / "metadata.yaml").read_text())
    assert (metadata["architecture"], metadata["properties"]["os"]) == ("x86_64", "Debian")
    assert "lxc.uts.name = small1" in (container / "config").read_text()
    root = container / "rootfs"
    assert not list(root.glob("boot/vmlinuz-*"))
    assert not (root / "usr/lib/grub").exists()
    assert (root / "sbin/init").resolve().name == "systemd"
    with _lxc(tmp_path, name) as run:
        deadline = time.monotonic() + _SECONDS
        # There is no answer before its bus is there.
        while not (state := run("systemctl", "is-system-running", "--wait")) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert state == "running\n", run("systemctl", "--failed", "--no-legend")
        assert run("hostname") == "small1\n"


@contextmanager
def _registry(directory: Path) -> Iterator[str]:
    if shutil.which("docker-registry") is None or shutil.which("skopeo") is None:
        pytest.skip("docker-registry or skopeo is not installed")
    port = free_port()
    configuration = directory / "registry.yml"
    configuration.write_text(
        "version: 0.1\nlog: {level: error}\n"
        f"storage: {{filesystem: {{rootdirectory: {directory / 'registry'}}}}}\nhttp: {{addr: 127.0.0.1:{port}}}\n"
    )
    process = subprocess.Popen(["docker-registry", "serve", configuration], stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def test_a_container_image_is_pushed_and_run(build: Build, tmp_path: Path, as_root: None) -> None:
    result = build("docker", entrypoint=["/usr/bin/env", "echo", "hello from inside"])
    assert build("docker", entrypoint=["/usr/bin/env", "echo", "hello from inside"]).sha256 == result.sha256
    other = build("docker", entrypoint=["/bin/true"])
    skopeo = ["skopeo", "--insecure-policy"]
    with _registry(tmp_path) as address:
        name = f"docker://{address}/ingot/small-quick:1.0"
        push = ["copy", "-q", "--dest-tls-verify=false", f"oci-archive:{result.output}", name]
        subprocess.run([*skopeo, *push], check=True)
        shown = subprocess.run(
            [*skopeo, "inspect", "--tls-verify=false", "--config", name], check=True, capture_output=True
        )
        config = json.loads(shown.stdout)
        pull = ["copy", "-q", "--src-tls-verify=false", name, f"dir:{tmp_path / 'pulled'}"]
        subprocess.run([*skopeo, *pull], check=True)
        # What `docker load` reads is there, too.
        loaded = f"docker-archive:{result.output}"
        subprocess.run([*skopeo, "copy", "-q", loaded, f"dir:{tmp_path / 'loaded'}"], check=True)
    assert config["config"]["Entrypoint"] == ["/usr/bin/env", "echo", "hello from inside"]
    assert (config["architecture"], len(config["rootfs"]["diff_ids"])) == ("amd64", 2)
    root = tmp_path / "root"
    root.mkdir()
    layers = json.loads((tmp_path / "pulled/manifest.json").read_text())["layers"]
    for layer in layers:
        blob = tmp_path / "pulled" / layer["digest"].removeprefix("sha256:")
        subprocess.run(["tar", "-xzf", blob, "-C", root], check=True)
        for whiteout in root.rglob(".wh.*"):
            target = whiteout.with_name(whiteout.name.removeprefix(".wh."))
            shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
            whiteout.unlink()
    assert _run_in(root, *config["config"]["Entrypoint"]) == "hello from inside\n"
    assert _run_in(root, "dpkg", "--verify") == ""
    assert not list(root.glob("boot/vmlinuz-*"))
    assert not (root / "lib/systemd/systemd").exists()
    # The distribution's layer is the same in every image of it.
    with tarfile.open(other.output) as archive:  # type: ignore[arg-type]
        assert f"blobs/sha256/{layers[0]['digest'].removeprefix('sha256:')}" in archive.getnames()


def test_a_manifest_of_a_machine_makes_no_container(build: Build, cache: Path, tmp_path: Path) -> None:
    request = BuildRequest(
        template=small_template(), format="k5vmdk", output=tmp_path / "x", scratch=tmp_path, cache=cache
    )
    with pytest.raises(BuildError, match="k5vmdk is obsolete"):
        run_engine(request)
