"""The main job, end to end: an appliance becomes a bootable image that is downloaded once and boots.

Starts a server of its own, talks to it as any client would, and boots the very file it downloaded. Everything is
kept in ~/.cache/ingot/demo (or $INGOT_DEMO_DIR), so that a second run is quick.
"""

import hashlib
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn
from rich.table import Table

from ingot.build import boot

HOME = Path(os.environ.get("INGOT_DEMO_DIR") or "~/.cache/ingot/demo").expanduser()
BOOT_SCRIPT = b'#!/bin/sh\necho "First boot of $(hostname)" | tee /var/www/html/index.html\n'
console = Console(highlight=False, record="--record" in sys.argv, width=100 if "--record" in sys.argv else None)
timings: dict[str, float] = {}


def main() -> int:
    """Run the demo; 0 when everything went as it should."""
    HOME.mkdir(parents=True, exist_ok=True)
    key = ssh_key()
    with server() as (client, generation_log):
        with step("Create the appliance"):
            appliance = create_appliance(client, key)
        with step("Generate a compressed qcow2 image"):
            image = generate(client, appliance)
        with step("Download it with its single-use key"):
            file = download(client, image)
        with step("Try the key again, and a conditional request"):
            check_key_is_used_up(client, image)
        with step("Delete the appliance from the server"):
            client.delete(appliance["uri"], params={"force": "true"}).raise_for_status()
    with step("Boot the downloaded file"):
        accelerator = boot_and_check(file, key, appliance["name"])
    summary(file, accelerator, generation_log)
    if "--record" in sys.argv:
        # Without Rich's own template: it loads fonts from elsewhere.
        template = CONSOLE_SVG_FORMAT.replace("<!-- Generated with Rich https://www.textualize.io -->", "")
        template = re.sub(r"@font-face \{\{.*?\}\}\n", "", template, flags=re.DOTALL)
        console.save_svg(sys.argv[sys.argv.index("--record") + 1], title="scripts/demo", code_format=template)
    return 0


@contextmanager
def step(title: str) -> Iterator[None]:
    """Announce a stage and time it."""
    console.print(f"[bold cyan]==>[/] [bold]{title}[/]")
    started = time.monotonic()
    yield
    timings[title] = time.monotonic() - started


def ssh_key() -> Path:
    """The demo user's key pair, made once."""
    file = HOME / "id_ed25519"
    if not file.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "demo", "-f", file], check=True)
    return file


@contextmanager
def server() -> Iterator[tuple[httpx.Client, Path]]:
    """A server of our own on a free port, ended with the demo."""
    password = secrets.token_urlsafe(12)
    log = HOME / "server.log"
    # The database is made anew each time, so that the password is ours; packages stay in the cache.
    for name in ("ingot.db", "ingot.db-wal", "ingot.db-shm"):
        (HOME / "data" / name).unlink(missing_ok=True)
    with step("Start the server"), log.open("wb") as output:
        port = boot.free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", "ingot", "serve", "--port", str(port), "--data-dir", HOME / "data"],
            env={**os.environ, "INGOT_ROOT_PASSWORD": password, "INGOT_CACHE_DIR": str(HOME / "cache")},
            stdout=output,
            stderr=output,
        )
        client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}/api/",
            auth=("root", password),
            headers={"Accept": "application/json"},
            timeout=30,
        )
        for _ in range(300):
            if process.poll() is not None:
                raise SystemExit(f"The server ended at once:\n{log.read_text()}")
            try:
                version = client.get("status").json()["serviceStatus"]["version"]
                break
            except httpx.ConnectError:
                time.sleep(0.1)
        console.print(f"    {client.base_url} answers, API version {version}")
    try:
        yield client, log
    finally:
        process.terminate()
        process.wait()


def create_appliance(client: httpx.Client, key: Path) -> dict[str, Any]:
    """Debian 12 with nginx and OpenSSH, a user with a key, and a boot script."""
    distributions = client.get("users/root/distros", params={"query": "name=='Debian';version=='12'"}).json()
    distribution = distributions["distributions"]["distributions"]["distribution"][0]
    appliance = post(
        client,
        "users/root/appliances",
        {"appliance": {"name": "demo", "version": "1.0", "distributionUri": distribution["uri"]}},
    )["appliance"]
    profiles = client.get(f"{distribution['uri']}/profiles", params={"query": "name=='Minimal'"}).json()
    profile = profiles["distribProfiles"]["distribProfiles"]["distribProfile"][0]
    os_profile = post(
        client,
        appliance["baseOsProfileUri"],
        {"distribProfile": {"@type": "LinuxProfile", "standardProfileUri": profile["uri"]}},
    )["distribProfile"]
    packages = {"packages": {"pkgs": {"pkg": [{"name": "nginx"}, {"name": "openssh-server"}]}}}
    put(client, os_profile["packagesUri"], packages)
    user = {
        "name": "demo",
        "fullName": "Demo User",
        "sudo": 2,
        "sshKeys": {"sshKey": [{"name": "demo", "publicKey": key.with_suffix(".pub").read_text()}]},
    }
    profile_update = {"diskSize": 4096, "swapSize": 256, "timezone": "Europe/Paris", "users": {"user": [user]}}
    put(client, appliance["installProfileUri"], {"installProfile": profile_update})
    script = post(
        client,
        appliance["bootScriptsUri"],
        {"bootScript": {"name": "greet", "bootType": "firstboot", "bootOrder": 1}},
    )["bootScript"]
    client.post(f"{script['uri']}/bin/greet.sh", content=BOOT_SCRIPT).raise_for_status()
    console.print(f"    {appliance['uri']}: Debian 12, nginx, openssh-server, user demo, a boot script")
    return dict(appliance)


def generate(client: httpx.Client, appliance: dict[str, Any]) -> dict[str, Any]:
    """Ask for the image and follow its stages."""
    request = {"image": {"compress": True, "targetFormat": {"name": "QCOW2"}}}
    image = post(client, appliance["baseImagesUri"], request)["image"]
    columns = (TextColumn("    {task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    stages: list[str] = []
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("Waiting", total=100)
        while True:
            status = client.get(image["statusUri"]).json()["status"]
            progress.update(task, completed=status["percentage"], description=status["message"])
            stage = status["message"].partition(" (")[0]
            if not stages or stages[-1] != stage:
                stages.append(stage)
                progress.console.print(f"    {status['percentage']:>3} % {status['message']}")
            if status["complete"]:
                break
            time.sleep(0.3)
    if status["error"]:
        raise SystemExit(f"{status['errorMessage']}\n{status.get('detailedErrorMsg', '')}")
    return dict(client.get(image["uri"]).json()["image"])


def download(client: httpx.Client, image: dict[str, Any]) -> Path:
    """Fetch the file with plain HTTP and no credentials, and check its hash."""
    file = HOME / image["fileName"]
    digest = hashlib.sha256()
    columns = (TextColumn("    {task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with (
        httpx.stream("GET", f"{client.base_url}{image['downloadUri']}", timeout=60) as response,
        file.open("wb") as output,
        Progress(*columns, console=console) as progress,
    ):
        response.raise_for_status()
        task = progress.add_task(file.name, total=int(response.headers["content-length"]))
        for chunk in response.iter_bytes(1 << 20):
            digest.update(chunk)
            output.write(chunk)
            progress.update(task, advance=len(chunk))
    if digest.hexdigest() != image["sha256sum"]:
        raise SystemExit(f"The SHA-256 is {digest.hexdigest()}, but {image['sha256sum']} was promised.")
    console.print(f"    SHA-256 {digest.hexdigest()} is right")
    return file


def check_key_is_used_up(client: httpx.Client, image: dict[str, Any]) -> None:
    """The same key a second time is refused; an unchanged object is not sent again."""
    again = httpx.get(f"{client.base_url}{image['downloadUri']}")
    if again.status_code != 403:
        raise SystemExit(f"The used key got {again.status_code}, not 403.")
    console.print(f"    used key: {again.status_code}")
    fresh = client.get(image["uri"])
    if fresh.json()["image"]["downloadKey"] == image["downloadKey"]:
        raise SystemExit("The image still shows the used key.")
    same = client.get(image["uri"], headers={"If-None-Match": fresh.headers["etag"]})
    if same.status_code != 304:
        raise SystemExit(f"The conditional request got {same.status_code}, not 304.")
    console.print(f"    a new key is there; If-None-Match: {same.status_code}")


def boot_and_check(file: Path, key: Path, hostname: str) -> str:
    """Boot until the login prompt and look inside: host name, web server, the boot script's trace."""
    accelerator = boot.probe(file)
    name = {"kvm": "KVM", "tcg": "emulation, since KVM does not run here (this takes longer)"}[accelerator]
    console.print(f"    on {name}")
    with boot.running(file, accelerator=accelerator) as machine:
        machine.wait_for_login(300)
        console.print("    login prompt is there")
        report = machine.wait_for_report(300)
        page = httpx.get(f"http://127.0.0.1:{machine.ports[80]}/", timeout=30).text.strip()
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        trace = subprocess.run(
            ["ssh", *options, "-i", key, "-p", str(machine.ports[22]), "demo@127.0.0.1",
             "sudo journalctl --output=cat --identifier=firstboot-00-greet"],
            check=True, capture_output=True, text=True, timeout=60,
        ).stdout.strip()  # fmt: skip
    expected = f"First boot of {hostname}"
    found = {"host name": report.hostname, "nginx says": page, "boot script said": trace}
    for what, value in found.items():
        console.print(f"    {what}: {value}")
    console.print(f"    failed units: {report.failed_units}")
    if report.hostname != hostname or page != expected or trace != expected or report.failed_units:
        raise SystemExit(f"Expected {hostname!r}, {expected!r} twice and no failed units; found {found}, {report}.")
    return accelerator


def post(client: httpx.Client, uri: str, document: dict[str, Any]) -> dict[str, Any]:
    """POST a JSON document; the answer's."""
    return answer(client.post(uri, json=document))


def put(client: httpx.Client, uri: str, document: dict[str, Any]) -> dict[str, Any]:
    """PUT a JSON document; the answer's."""
    return answer(client.put(uri, json=document))


def answer(response: httpx.Response) -> dict[str, Any]:
    """The document of an answer; the server's own words when it refused."""
    if response.is_error:
        error = response.json()["uforgeError"]["localizedErrorMsg"]["message"]
        raise SystemExit(f"{response.request.method} {response.request.url}: {response.status_code} {error}")
    return dict(response.json())


def shown(path: Path) -> str:
    """A path as people write it."""
    return str(path).replace(str(Path.home()), "~", 1)


def summary(file: Path, accelerator: str, log: Path) -> None:
    """Say how long each stage took and where everything is."""
    table = Table(title="The main job, end to end", title_justify="left", show_edge=False)
    table.add_column("Stage")
    table.add_column("Seconds", justify="right")
    for title, seconds in timings.items():
        table.add_row(title, f"{seconds:.1f}")
    console.print()
    console.print(table)
    console.print(f"\nImage: {shown(file)} ({file.stat().st_size >> 20} MiB), booted on {accelerator}")
    console.print(f"Server log: {shown(log)}")


if __name__ == "__main__":
    sys.exit(main())
