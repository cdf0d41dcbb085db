"""Servers and workers whose artifacts lie in a bucket, which is slow, away, or not theirs."""

import datetime as dt
import hashlib
import io
import signal
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from ingot.build.packages.lists import mark
from ingot.services.artifacts import sweep_leftovers
from ingot.services.reuse import Shelf
from ingot.settings import Settings
from ingot.store.artifacts import ArtifactStore
from ingot.store.base import now
from ingot.store.stores import artifacts_of
from ingot.store.tables import ContentClaim, Image
from tests.faults.site import Site, eventually
from tests.s3 import CREDENTIALS, SECRET, Bucket, serving_bucket
from tests.serving import PASSWORD, Command


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with serving_bucket("faults") as bucket:
        yield bucket


@pytest.fixture
def site(new_site: Callable[..., Site], bucket: Bucket) -> Site:
    site = new_site(lease_seconds=3)
    site.environment |= bucket.environment
    return site


def _store(site: Site, bucket: Bucket) -> ArtifactStore:
    return artifacts_of(Settings(data_dir=site.data, **bucket.settings))  # type: ignore[arg-type]


def _api(address: str) -> httpx.Client:
    return httpx.Client(
        base_url=f"{address}/api/", auth=("root", PASSWORD), headers={"Accept": "application/json"}, timeout=60
    )


def _content(name: str) -> bytes:
    """What the engine of these tests makes of a name."""
    return (b"disk of " + name.encode()) * 1000 + (bytes(40 << 20) if name.startswith("large") else b"")


def _object(content: bytes) -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    return f"{sha256[:2]}/{sha256}"


def _image(api: httpx.Client, site: Site, name: str) -> dict[str, Any]:
    row = site.image(name)
    found: dict[str, Any] = api.get(f"users/root/appliances/{row.appliance_id}/images/{row.id}").json()["image"]
    return found


def _generated(site: Site, name: str) -> None:
    """A worker's image, from the request to its end."""
    site.generate(name)
    site.let_go(name)
    attempt = site.await_end(name)
    assert (attempt.state, attempt.error) == ("done", None)


def test_the_whole_life_of_an_image(site: Site, bucket: Bucket, tmp_path: Path) -> None:
    name = "large"
    server, address = site.start_server()
    _generated(site, name)
    content = _content(name)
    assert bucket.names() == {_object(content)}
    assert bucket.content(site.image(name).sha256 or "") == content
    eventually(lambda: site.scratch() == [], "nothing is left on this machine")
    assert site.artifacts() == []
    with _api(address) as api:
        image = _image(api, site, name)
        ticket = api.get(f"{image['uri']}/downloads")
        assert (ticket.status_code, ticket.content) == (307, b"")
        assert httpx.get(ticket.headers["location"]).content == content
        assert httpx.get(f"{address}/api/{image['downloadUri']}", follow_redirects=True).content == content
        assert httpx.get(f"{address}/api/{image['downloadUri']}").status_code == 403
        # The command, over a line that breaks.
        bucket.cuts.append(10 << 20)
        ingot = Command(tmp_path, f"{address}/api")
        ingot("image", "download", str(image["dbId"]), "-o", "disk.raw")
        assert (tmp_path / "disk.raw").read_bytes() == content
        image = _image(api, site, name)
        ingot("download", f"{address}/api/{image['downloadUri']}", "-o", "other.raw")
        assert (tmp_path / "other.raw").read_bytes() == content
        assert api.delete(image["uri"]).status_code == 204
    assert bucket.names() == set()
    server.terminate()
    assert server.wait(30) == 0


def test_the_record_of_a_build_is_kept_and_served(site: Site, bucket: Bucket, tmp_path: Path) -> None:
    _, address = site.start_server()
    _generated(site, "logged")
    site.generate("logged-fails")
    site.let_go("logged-fails")
    assert site.await_end("logged-fails").state == "failed"
    # The image, five documents, the signed statement, and a log that both have.
    assert len(bucket.names()) == 8
    ingot = Command(tmp_path, f"{address}/api")
    number = str(site.image("logged").id)
    assert "SPDX-2.3" in ingot("image", "sbom", number)
    assert "Setting up größe" in ingot("image", "log", number)
    assert "Setting up dash" in ingot("image", "log", str(site.image("logged-fails").id))
    with _api(address) as api:
        for name in ("logged", "logged-fails"):
            assert api.delete(_image(api, site, name)["uri"]).status_code == 204
    assert bucket.names() == set()


def test_an_upload_tells_where_it_is_and_keeps_its_lease(site: Site, bucket: Bucket) -> None:
    bucket.open.clear()
    worker = site.start_worker()
    site.generate("large")
    site.let_go("large")
    eventually(lambda: bucket.waiting > 0, "the image is on its way")
    eventually(lambda: site.attempt("large").stage == "upload", "the stage is told")
    before = site.attempt("large")
    assert before.percentage >= 90
    assert "of 40 MB" in (before.message or "")
    time.sleep(5)  # more than a lease
    assert site.attempt("large").token == before.token
    assert site.image("large").sha256 is None
    assert bucket.names() == set(), "nothing is to be seen of half an object"
    bucket.open.set()
    assert site.await_end("large").number == 1
    assert bucket.names() == {_object(_content("large"))}
    assert worker.poll() is None


def test_an_upload_can_be_cancelled(site: Site, bucket: Bucket) -> None:
    bucket.open.clear()
    site.start_worker()
    site.generate("large")
    site.let_go("large")
    eventually(lambda: bucket.waiting > 0, "the image is on its way")
    site.cancel("large")
    time.sleep(1)
    bucket.open.set()
    assert site.await_end("large").state == "cancelled"
    assert bucket.count("POST", "uploadId=") == 0, "it was given up, not ended and removed"
    eventually(lambda: bucket.uploads() == 0 and bucket.names() == set(), "nothing is left in the bucket")
    eventually(lambda: site.scratch() == [], "nothing is left on this machine")


def test_a_worker_that_is_killed_in_the_middle_leaves_what_a_sweep_finds(site: Site, bucket: Bucket) -> None:
    bucket.open.clear()
    worker = site.start_worker()
    site.generate("large")
    site.let_go("large")
    eventually(lambda: bucket.waiting > 0, "the image is on its way")
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    bucket.open.set()
    assert bucket.uploads() == 1
    assert bucket.names() == set()
    site.start_worker()
    attempt = site.await_end("large")
    assert (attempt.state, attempt.number) == ("done", 2)
    assert bucket.content(site.image("large").sha256 or "") == _content("large")
    store = _store(site, bucket)
    sweep_leftovers(site.database, store)
    assert bucket.uploads() == 1, "as far as anybody knows, its process lives"
    with site.database.transaction() as session:
        session.execute(update(ContentClaim).values(until=now() - dt.timedelta(seconds=1)))
    sweep_leftovers(site.database, store)
    assert bucket.uploads() == 0
    assert bucket.names() == {_object(_content("large"))}


def test_a_build_waits_for_a_bucket_that_is_away(site: Site, bucket: Bucket) -> None:
    site.start_worker()
    site.generate("machine")
    site.let_go("machine", "started")
    site.let_go("machine", "packages")
    site.let_go("machine", "install")
    site.await_stage("machine", "disk")
    bucket.stop()
    site.let_go("machine")
    eventually(lambda: "cannot be reached" in (site.attempt("machine").message or ""), "the trouble is told")
    bucket.start()
    assert site.await_end("machine").state == "done"
    assert len(bucket.names()) == 1


def test_a_bucket_that_is_gone_fails_the_build_in_words(site: Site, bucket: Bucket) -> None:
    site.environment["INGOT_ARTIFACTS"] = "s3://gone-for-good"
    site.start_worker()
    site.generate("web")
    site.let_go("web")
    attempt = site.await_end("web")
    assert attempt.state == "failed"
    assert attempt.error == "There is no bucket gone-for-good. Create it, or look at INGOT_ARTIFACTS."
    eventually(lambda: site.scratch() == [], "nothing is left on this machine")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"INGOT_ARTIFACTS": "s3://nothing-there"}, "There is no bucket nothing-there. Create it"),
        ({"INGOT_S3_ENDPOINT": "http://127.0.0.1:9"}, "INGOT_S3_ENDPOINT"),
        ({"INGOT_ACCELERATED_DOWNLOADS": "nginx"}, "INGOT_ACCELERATED_DOWNLOADS=nginx cannot send what lies in"),
        ({"AWS_PROFILE": "nobody"}, "Look at AWS_ACCESS_KEY_ID"),
    ],
)
def test_a_server_that_cannot_use_its_bucket_does_not_start(
    site: Site, bucket: Bucket, changes: dict[str, str], words: str
) -> None:
    del bucket
    _require_refusal(site, words, **changes)


def test_a_server_with_wrong_credentials_does_not_start(site: Site, bucket: Bucket) -> None:
    bucket.check_logins()
    try:
        _require_refusal(site, "does not accept the credentials")
    finally:
        bucket.check_logins(after=float("inf"))


def _require_refusal(site: Site, words: str, **environment: str) -> None:
    server = site.start("ingot", "serve", "--port", "0", **environment)
    assert server.wait(60) == 1
    # Lines are folded for who reads them.
    said = " ".join(site.await_words(server, "").split())
    assert words in said
    assert "Traceback" not in said
    assert SECRET not in said


def test_programs_of_jobs_get_no_credentials(site: Site, bucket: Bucket) -> None:
    site.start_worker()
    site.generate("web")
    site.await_stage("web", "started")
    survivors = [Path(f"/proc/{process}/environ").read_bytes() for process in site.survivors()]
    assert any(b"INGOT_DATA_DIR" in environment for environment in survivors)
    assert not any(SECRET.encode() in environment for environment in survivors)
    site.let_go("web")
    assert site.await_end("web").state == "done"
    assert len(bucket.names()) == 1


def _bundle(api: httpx.Client, content: bytes) -> dict[str, Any]:
    answer = api.post("users/root/mysoftware", json={"mySoftware": {"name": "b", "version": "1"}})
    bundle: dict[str, Any] = answer.json()["mySoftware"]
    file = {"softwareFile": {"name": "app.bin", "installLocation": "/opt"}}
    made = api.post(f"{bundle['uri']}/artifacts", json=file)
    assert made.status_code == 201, made.text
    number = next(iter(made.json().values()))["dbId"]
    sent = api.post(f"{bundle['uri']}/artifacts/{number}/bin/app.bin", content=content)
    assert sent.status_code == 201, sent.text
    licence = api.post(f"{bundle['uri']}/licenses/1/LICENSE", content=b"Do as you like.")
    assert licence.status_code == 201, licence.text
    return bundle


def test_a_bundle_with_files_goes_round(site: Site, bucket: Bucket) -> None:
    """Uploaded, exported, downloaded, deleted, imported again, and put into an image."""
    content = bytes(range(256)) * 100_000  # in two parts
    _, address = site.start_server()
    with _api(address) as api:
        bundle = _bundle(api, content)
        assert bucket.names() == {_object(content), _object(b"Do as you like.")}
        export = api.post(f"{bundle['uri']}/exports").json()["softwareBundleExport"]["uri"]
        eventually(lambda: bool(api.get(f"{export}/status").json()["status"]["complete"]), "the export is over")
        sent = api.get(f"{export}/downloads")
        assert sent.status_code == 307
        archive = httpx.get(sent.headers["location"]).content
        with tarfile.open(fileobj=io.BytesIO(archive)) as members:
            assert any(member.size == len(content) for member in members)
        assert api.delete(bundle["uri"]).status_code == 204
        eventually(lambda: bucket.names() == set(), "nothing is left of the bundle and its export")
        ticket = api.post("users/root/bundleimports").json()["softwareBundleImport"]["uri"]
        assert api.post(f"{ticket}/uploads", content=archive).status_code == 201
        eventually(lambda: bool(api.get(f"{ticket}/status").json()["status"]["complete"]), "the import is over")
        assert api.get(f"{ticket}/status").json()["status"]["error"] is False
        (bundle,) = api.get("users/root/mysoftware").json()["mySoftwareList"]["mySoftwareList"]["mySoftware"]
        assert bucket.names() == {_object(content), _object(b"Do as you like.")}
        appliance = site.add_appliance("web")
        wanted = {"appliance": {"mySoftwareUris": {"uri": [bundle["uri"]]}}}
        added = api.put(f"users/root/appliances/{appliance}", json=wanted)
        assert added.status_code == 200, added.text
        body = {"image": {"compress": True, "targetFormat": {"name": "QCOW2"}}}
        assert api.post(f"users/root/appliances/{appliance}/images", json=body).status_code == 201
        site.await_stage("web", "started")
        (needed,) = site.data.glob(f"scratch/*/boot-scripts/{hashlib.sha256(content).hexdigest()}")
        assert not needed.is_symlink()
        assert needed.read_bytes() == content
        site.let_go("web")
        assert site.await_end("web").state == "done"


def test_an_image_is_published_out_of_the_bucket(site: Site, bucket: Bucket) -> None:
    _, address = site.start_server()
    _generated(site, "large")
    bucket.client().create_bucket(
        Bucket=f"{bucket.name}-out", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    with _api(address) as api:
        fields = {
            "@type": "CredAccountS3",
            "name": "out",
            "endpointUrl": bucket.address,
            "region": "eu-west-1",
            "accessKeyId": "AK",
            "secretAccessKeyId": "hush",
        }
        account = api.post("users/root/accounts", json={"credAccount": fields})
        assert account.status_code == 201, account.text
        image = _image(api, site, "large")
        body = {
            "@type": "PublishImageS3",
            "credAccount": account.json()["credAccount"],
            "bucket": f"{bucket.name}-out",
            "key": "disk",
        }
        ticket = api.post(f"{image['uri']}/pimages", json={"publishImage": body})
        assert ticket.status_code == 201, ticket.text
        uri, status = ticket.json()["publishImage"]["uri"], dict[str, Any]()

        def over() -> bool:
            status.update(api.get(f"{uri}/status").json()["status"])
            return bool(status["complete"] or status["error"])

        eventually(over, "the publication is over", 120)
        assert (status["complete"], status["error"]) == (True, False), status
    published = bucket.client().get_object(Bucket=f"{bucket.name}-out", Key="disk")["Body"].read()
    assert published == _content("large")
    eventually(lambda: site.scratch() == [], "the copy is gone")


def test_the_same_image_is_found_in_the_bucket_unless_it_is_gone(site: Site, bucket: Bucket) -> None:
    site.start_worker()
    _generated(site, "web")
    sha256, lists = site.image("web").sha256 or "", site.settings.cache / "lists"
    lists.mkdir(parents=True)
    mark(lists, "snapshot")
    with site.database.transaction() as session:
        row = session.get_one(Image, site.image("web").id)
        row.recipe, row.lists = "recipe", {"place": "lists", "snapshot": "snapshot"}
    store = _store(site, bucket)
    shelf = Shelf(site.database, store, site.settings, b"")

    def is_found() -> bool:
        with site.database.transaction() as session:
            return shelf.find(session, "recipe") is not None

    assert is_found()
    bucket.stop()
    assert not is_found(), "nobody can say: it is built again"
    bucket.start()
    assert is_found()
    store.remove_all({sha256})
    assert not is_found()
