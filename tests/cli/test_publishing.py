"""`ingot image publish`, `ingot publication` and `ingot deployment` against a real server, a real web server and a
real libvirt."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.faults.site import Site
from tests.publish.servers import libvirt, web_dav
from tests.serving import PASSWORD, Command


@pytest.fixture
def image(site: Site, ingot: Command, name: str) -> str:
    """The id of a finished image of the test's own template."""
    site.let_go(name)
    site.add_appliance(name)
    made = ingot("image", "generate", name, "--format", "QCOW2", "--output", "json")
    return str(json.loads(made)["dbId"])


@pytest.fixture
def pool() -> Iterator[tuple[str, Path]]:
    """A libvirt's address, and the directory of its storage pool `images`."""
    # A socket's path has to be short, and the daemon's user has to reach it.
    with tempfile.TemporaryDirectory(prefix="ingot-lv-") as short:
        Path(short).chmod(0o755)
        with libvirt(Path(short) / "d") as uri:
            yield uri, Path(short) / "d/pool"


def test_an_image_is_published_followed_downloaded_and_forgotten(
    ingot: Command, image: str, tmp_path: Path, name: str
) -> None:
    account = f"web-{name}"
    with web_dav(tmp_path / "dav") as server:
        ingot("account", "create", account, "--type", "webdav", f"endpointUrl={server}")
        publish = ("image", "publish", image, "--account", account)
        made = json.loads(ingot(*publish, "path=images/disk", "--output", "json"))
    number = str(made["dbId"])
    content = (tmp_path / "dav/files/images/disk").read_bytes()
    assert made["status"]["published"]
    assert made["cloudId"].endswith("images/disk")
    assert made["status"]["bytesLoaded"] == len(content)
    assert "downloadKey" not in made
    for words in (ingot("publication", "list"), ingot("publication", "list", "--image", image)):
        assert "images/disk" in words
    shown = ingot("publication", "show", number)
    assert account in shown
    assert "Next" not in shown  # no machine starts from a web server
    assert "done" in ingot("publication", "follow", number)
    assert "nothing to cancel" in ingot("publication", "cancel", number, code=4)
    assert ingot("publication", "download", number, "-o", "copy").strip() == "copy"
    assert (ingot.home / "copy").read_bytes() == content
    assert "there already" in ingot("publication", "download", number, "-o", "copy", code=4)
    # The other end is away now.
    failed = ingot(*publish, code=1)
    assert "failed: The server" in failed
    assert "Forget this publication?" in ingot("publication", "delete", number, stdin="n\n", code=1)
    assert "is deleted" in ingot("publication", "delete", number, "--yes")
    for command in ("show", "follow", "cancel", "delete", "download"):
        assert f"no publication {number}" in ingot("publication", command, number, code=3)


def test_what_cannot_be_published_is_said_before_anything_is_sent(ingot: Command, image: str, name: str) -> None:
    account = f"store-{name}"
    ingot("account", "create", account, "--type", "s3", "accessKeyId=AK", "--secret-stdin", stdin="x\n")
    publish = ("image", "publish", image, "--account")
    assert "needs bucket=…. It may have key." in ingot(*publish, account, code=2)
    assert "Did you mean bucket?" in ingot(*publish, account, "bucet=x", code=2)
    assert "Did you mean" in ingot(*publish, f"stoer-{name}", "bucket=x", code=3)
    assert "no image 99999" in ingot("image", "publish", "99999", "--account", account, "bucket=x", code=3)


def test_machines_are_started_switched_off_and_on_and_ended(
    ingot: Command, image: str, pool: tuple[str, Path], address: str, name: str
) -> None:
    uri, directory = pool
    ingot("account", "create", "host", "--type", "libvirt", f"connectionUri={uri}")
    publish = ("image", "publish", image, "--account", "host", "storagePool=images", f"displayName={name}")
    published = json.loads(ingot(*publish, "--output", "json"))
    number = str(published["dbId"])
    assert f"ingot deployment create {number}" in ingot("publication", "show", number)
    assert "has no field flavor" in ingot("deployment", "create", number, "flavor=x", code=2)
    made = json.loads(ingot("deployment", "create", number, "--name", "web", "--memory", "64", "--output", "json"))
    assert (made["state"], made["instances"][0]["memory"]) == ("running", 64)
    assert list(directory.glob("web*"))
    machine = made["instances"][0]["name"]
    virsh = ["virsh", "--quiet", "--connect", uri]
    # Somebody pulls its plug.
    subprocess.run([*virsh, "destroy", machine], check=True, capture_output=True)
    assert "web is stopped" in ingot("deployment", "stop", "web")
    assert "stopped" in ingot("deployment", "show", "web")
    assert "web is running" in ingot("deployment", "start", made["applicationId"])
    state = subprocess.run([*virsh, "domstate", machine], check=True, capture_output=True, text=True).stdout
    assert state.strip() == "running"
    assert "running" in ingot("deployment", "list")
    with httpx.Client(
        base_url=f"{address}/api/", auth=("root", PASSWORD), headers={"Accept": "application/json"}, timeout=60
    ) as api:
        where = made["instances"][0]["uri"]
        entity = api.get(where).json()["deploymentEntity"]
        assert (entity["serviceId"], entity["status"], entity["hardware"]["ram"]) == (machine, "running", 64)
        activities = entity["activities"]["deploymentActivity"]
        assert [(row["displayName"], row["isDone"], row["isError"]) for row in activities] == [
            ("deploy", True, False),
            ("stop", True, False),
            ("start", True, False),
        ]
        effectors = api.get(f"{where}/effectors").json()["deploymentEffectors"]["effectors"]["effector"]
        assert [row["name"] for row in effectors] == ["start", "stop", "restart"]
        assert api.post(f"{where}/effectors/explode").status_code == 404
        assert api.get(f"{where}x").status_code == 404
        assert api.get(f"{where}/activities/1").status_code == 404
    terminate = ("deployment", "terminate", "web", "--yes")
    assert "web is terminated" in ingot(*terminate)
    assert "no deployment web" in ingot(*terminate, code=3)
    assert list(directory.glob("web*")) == []
