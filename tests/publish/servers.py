"""Real servers of the targets, each in a directory of its own and on loopback, which end with the tests."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from ingot.build.boot import free_port

_PATIENCE_SECONDS = 90


def require_program(program: str, package: str) -> str:
    """The path of a program; the test is skipped where it is missing."""
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if path is None:
        pytest.skip(f"{program} is not installed: apt-get install {package}")
    return path


@contextmanager
def running(
    argv: Sequence[str | Path],
    log: Path,
    *,
    ready: Callable[[], bool],
    env: Mapping[str, str] | None = None,
    user: str | None = None,
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server until the context ends; it is `ready` before the context begins."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *argv],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env={**os.environ, **(env or {})},
            start_new_session=True,
            user=user,
            cwd=log.parent,
        )
    try:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{argv[0]} did not start: {log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.1)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(address: str) -> Callable[[], bool]:
    """Whether somebody speaks HTTP at an address, whatever is said."""

    def ask() -> bool:
        try:
            httpx.get(address, timeout=2)
        except httpx.HTTPError:
            return False
        return True

    return ask


@contextmanager
def docker_registry(root: Path, login: tuple[str, str] | None = None) -> Iterator[str]:
    """A container registry, with or without a login; its address."""
    program = require_program("docker-registry", "docker-registry")
    port = free_port()
    root.mkdir(exist_ok=True)
    config = [
        "version: 0.1",
        f"storage: {{filesystem: {{rootdirectory: {root}/data}}, delete: {{enabled: true}}}}",
        f"http: {{addr: '127.0.0.1:{port}'}}",
    ]
    if login is not None:
        hashed = subprocess.run(
            [require_program("htpasswd", "apache2-utils"), "-nbB", *login],
            check=True,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        ).stdout
        (root / "htpasswd").write_text(hashed, encoding="utf-8")
        config.append(f"auth: {{htpasswd: {{realm: test, path: {root}/htpasswd}}}}")
    (root / "config.yml").write_text("\n".join(config) + "\n", encoding="utf-8")
    address = f"http://127.0.0.1:{port}"
    with running([program, "serve", root / "config.yml"], root / "log", ready=answers(f"{address}/v2/")):
        yield address


@contextmanager
def web_dav(root: Path, login: tuple[str, str] | None = None, *, moves: bool = True) -> Iterator[str]:
    """A web server that takes files by PUT, with or without a login and MOVE; its address."""
    program = require_program("nginx", "nginx-light")
    port = free_port()
    for name in ("files", "temporary"):
        (root / name).mkdir(parents=True)
    guard = ""
    if login is not None:
        hashed = subprocess.run(
            ["openssl", "passwd", "-apr1", login[1]], check=True, capture_output=True, text=True
        ).stdout
        (root / "users").write_text(f"{login[0]}:{hashed}", encoding="utf-8")
        guard = f"auth_basic test; auth_basic_user_file {root}/users;"
    methods = "PUT DELETE MOVE" if moves else "PUT DELETE"
    temporary = "".join(f"{kind}_temp_path {root}/temporary/{kind};" for kind in ("fastcgi", "proxy", "scgi", "uwsgi"))
    (root / "nginx.conf").write_text(
        f"daemon off; pid {root}/pid; error_log {root}/log; user {_own_name()};\n"
        "events {}\n"
        f"http {{ access_log off; client_max_body_size 0; client_body_temp_path {root}/temporary; {temporary}\n"
        f"server {{ listen 127.0.0.1:{port}; root {root}/files; {guard}\n"
        f"location / {{ dav_methods {methods}; create_full_put_path on; }} }} }}\n",
        encoding="utf-8",
    )
    address = f"http://127.0.0.1:{port}"
    argv = [program, "-c", root / "nginx.conf", "-p", root]
    with running(argv, root / "log", ready=answers(address)):
        yield address


def _own_name() -> str:
    return subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def keystone(root: Path, password: str) -> Iterator[str]:
    """OpenStack's login service with one administrator `admin` in the project `admin`; its address."""
    manage = require_program("keystone-manage", "python3-keystone")
    program = require_program("keystone-wsgi-public", "python3-keystone")
    root.mkdir(exist_ok=True)
    for name in ("fernet", "credential"):
        (root / name).mkdir()
    port = free_port()
    address = f"http://127.0.0.1:{port}/v3"
    config = root / "keystone.conf"
    config.write_text(
        f"[database]\nconnection = sqlite:///{root}/keystone.db\n"
        f"[fernet_tokens]\nkey_repository = {root}/fernet\n[credential]\nkey_repository = {root}/credential\n"
        "[token]\nprovider = fernet\n",
        encoding="utf-8",
    )
    # Keystone's own user must not be needed.
    user = _own_name()
    owner = ["--keystone-user", user, "--keystone-group", user]
    bootstrap = [
        "bootstrap", "--bootstrap-password", password, "--bootstrap-region-id", "RegionOne",
        "--bootstrap-public-url", address, "--bootstrap-internal-url", address,
    ]  # fmt: skip
    for words in (["db_sync"], ["fernet_setup", *owner], ["credential_setup", *owner], bootstrap):
        done = subprocess.run([manage, "--config-file", config, *words], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
    argv = [program, "--host", "127.0.0.1", "--port", str(port), "--", "--config-file", config]
    environment = {"OS_KEYSTONE_CONFIG_FILES": str(config)}
    with running(argv, root / "log", ready=answers(address), env=environment):
        yield address


@contextmanager
def glance(root: Path, login: tuple[str, str] | None = None) -> Iterator[str]:
    """OpenStack's image service with its files in a directory: without a login, or with that of a Keystone
    (address, password); its address.
    """
    manage = require_program("glance-manage", "glance-common")
    program = require_program("glance-wsgi-api", "glance-common")
    root.mkdir(exist_ok=True)
    (root / "images").mkdir()
    (root / "glance-api-paste.ini").symlink_to("/usr/share/glance-common/glance-api-paste.ini")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    lines = [
        f"[DEFAULT]\nenabled_backends = files:file\nnode_staging_uri = file://{root}/staging",
        f"[database]\nconnection = sqlite:///{root}/glance.db",
        "[glance_store]\ndefault_backend = files",
        f"[files]\nfilesystem_store_datadir = {root}/images",
        f"[os_glance_tasks_store]\nfilesystem_store_datadir = {root}/tasks",
        f"[os_glance_staging_store]\nfilesystem_store_datadir = {root}/staging",
        f"[paste_deploy]\nconfig_file = {root}/glance-api-paste.ini",
    ]
    if login is not None:
        lines[-1] += "\nflavor = keystone"
        lines.append(
            f"[keystone_authtoken]\nwww_authenticate_uri = {login[0]}\nauth_url = {login[0]}\nauth_type = password\n"
            f"username = admin\npassword = {login[1]}\nproject_name = admin\nuser_domain_name = Default\n"
            "project_domain_name = Default"
        )
    config = root / "glance-api.conf"
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sync = [manage, "--config-file", config, "db_sync"]
    done = subprocess.run(sync, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    argv = [program, "--host", "127.0.0.1", "--port", str(port), "--", "--config-dir", root]
    environment = {"OS_GLANCE_CONFIG_DIR": str(root), "OS_GLANCE_CONFIG_FILES": "glance-api.conf"}
    with running(argv, root / "log", ready=answers(address), env=environment):
        yield address


@contextmanager
def libvirt(root: Path) -> Iterator[str]:
    """A libvirt daemon of an ordinary user with one storage pool `images` in a directory; its connection URI."""
    program = require_program("libvirtd", "libvirt-daemon")
    require_program("virsh", "libvirt-clients")
    require_program("qemu-system-x86_64", "qemu-system-x86")
    user = "nobody" if os.geteuid() == 0 else None
    root.mkdir(exist_ok=True)
    for name in ("run", "pool", "home"):
        (root / name).mkdir()
    socket = root / "run" / "libvirt-sock"
    (root / "libvirtd.conf").write_text(
        f'unix_sock_dir = "{root}/run"\nauth_unix_rw = "none"\nlog_outputs = "3:file:{root}/daemon.log"\n',
        encoding="utf-8",
    )
    log = root / "log"
    log.touch()
    if user is not None:
        for path in (root, *root.iterdir()):
            shutil.chown(path, user)
    environment = {
        "HOME": str(root / "home"),
        "XDG_RUNTIME_DIR": str(root / "run"),
        "XDG_CONFIG_HOME": str(root / "home"),
        "XDG_CACHE_HOME": str(root / "home"),
    }
    uri = f"qemu+unix:///session?socket={socket}"
    argv = [program, "--config", root / "libvirtd.conf", "--pid-file", root / "run" / "pid"]
    with running(argv, log, ready=socket.exists, env=environment, user=user):
        for words in (
            ["pool-define-as", "images", "dir", "--target", root / "pool"],
            ["pool-start", "images"],
        ):
            subprocess.run(["virsh", "--quiet", "--connect", uri, *words], check=True, capture_output=True)
        yield uri
