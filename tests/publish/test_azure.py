"""Uploading page blobs to a stand-in for Azure's storage."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient

from ingot.build.boot import free_port
from ingot.messages.account import CredAccountAzure
from ingot.messages.image import PublishImageAzure
from ingot.publish import targets
from ingot.publish.azure import AzureTarget, remove_page_blob, upload_page_blob
from ingot.publish.target import PublishError, Source
from tests.publish.conftest import Broken, Notes, as_format
from tests.publish.servers import answers, running

_ROOT = Path(__file__).parents[2]
#: The account that the stand-in always has; its key is public.
_NAME = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlobServiceClient]:
    program = _ROOT / ".azurite" / "node_modules" / ".bin" / "azurite-blob"
    if not program.exists() or shutil.which("node") is None:
        pytest.skip("Azurite is not installed: scripts/setup --dev")
    root, port = tmp_path_factory.mktemp("azurite"), free_port()
    argv = [
        program, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", root, "--silent",
        "--skipApiVersionCheck", "--disableTelemetry",
    ]  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    with (
        running(argv, root / "log", ready=answers(address)),
        BlobServiceClient(f"{address}/{_NAME}", credential={"account_name": _NAME, "account_key": _KEY}) as client,
    ):
        yield client


def _content(service: BlobServiceClient, container: str, name: str) -> bytes:
    return service.get_blob_client(container, name).download_blob().readall()


def test_a_disk_becomes_a_page_blob_of_its_data_alone(service: BlobServiceClient, raw_disk: Source) -> None:
    notes = Notes()
    blob = upload_page_blob(service, "images", "web.vhd", raw_disk, notes.journal())
    assert hashlib.sha256(_content(service, "images", "web.vhd")).hexdigest() == raw_disk.sha256
    properties = blob.get_blob_properties()
    assert (properties.blob_type, properties.size) == ("PageBlob", raw_disk.size)
    assert sum(page.end - page.start + 1 for page in blob.list_page_ranges()) < 5 << 20
    assert notes.reports[-1] == (raw_disk.size, raw_disk.size)


def test_a_blob_that_died_goes_on_and_one_that_is_given_up_is_removed(
    service: BlobServiceClient, large_file: Source
) -> None:
    file = large_file.file
    file.write_bytes(file.read_bytes()[: 40 << 20])
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    source = Source(file, "x.vhd", 40 << 20, sha256, "azure", "x", "1", "x86_64")
    dying = Notes(dies_after=1)
    with pytest.raises(Broken):
        upload_page_blob(service, "images", "dying.vhd", source, dying.journal())
    assert len(dying.saved) == 1
    upload_page_blob(service, "images", "dying.vhd", source, Notes().journal(dying.last))
    assert hashlib.sha256(_content(service, "images", "dying.vhd")).hexdigest() == sha256
    remove_page_blob(service, Notes().journal(dying.last))
    assert not service.get_blob_client("images", "dying.vhd").exists()
    remove_page_blob(service, Notes().journal(dying.last))


def test_what_azure_would_not_take_is_refused_before_anything_is_sent(raw_disk: Source, large_file: Source) -> None:
    complete = {"storage_account": "s", "container": "c", "blob": "b.vhd", "display_name": "d"}
    with pytest.raises(PublishError, match="lacks container, blob"):
        targets.check(PublishImageAzure(storage_account="s", display_name="d"), "azure")
    source = as_format(raw_disk, "azure")
    image = PublishImageAzure(**{**complete, "blob": "disk"})
    with pytest.raises(PublishError, match=r"must end in \.vhd"):
        AzureTarget(CredAccountAzure(), image, source, Notes().journal()).run()
    with pytest.raises(PublishError, match="tenantId"):
        AzureTarget(CredAccountAzure(), PublishImageAzure(**complete), source, Notes().journal()).run()
