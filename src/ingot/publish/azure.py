"""Azure: a page blob from the fixed VHD, then a managed image of it."""

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.compute.models import Image, ImageOSDisk, ImageProperties, ImageStorageProfile
from azure.mgmt.storage import StorageManagementClient
from azure.storage.blob import BlobClient, BlobServiceClient

from ingot.build.sparse import data
from ingot.messages.account import CredAccountAzure
from ingot.messages.image import PublishImageAzure
from ingot.publish.target import Journal, Published, PublishError, Source, Target

#: The most that one write of pages may have.
_PAGES = 4 << 20
_PAGE = 512
_AT_ONCE, _STRIDE = 4, 16


class AzureTarget(Target[CredAccountAzure, PublishImageAzure]):
    """A blob in a storage account, and an image in a resource group."""

    def publish(self) -> Published:
        """Upload the blob and make the image; on Azure Stack (an account with an address) the blob alone."""
        if not str(self.image.blob).endswith(".vhd"):
            raise PublishError(f"The blob's name {self.image.blob} must end in .vhd.")
        with _in_their_words():
            storage = self._storage_account()
            service = self._blob_service(storage)
            blob = upload_page_blob(
                service, str(self.image.container), str(self.image.blob), self.source, self.journal
            )
            cloud_id = blob.url
            if not self.account.endpoint_url:
                cloud_id = self._make_image(storage, blob.url)
        return Published(cloud_id, blob.url)

    def abort(self) -> None:
        """Remove the blob that has only a part of the image."""
        with _in_their_words():
            if self.journal.state:
                remove_page_blob(self._blob_service(self._storage_account()), self.journal)

    def _credential(self) -> ClientSecretCredential:
        account = self.account
        if not (account.tenant_id and account.application_id and account.application_key and account.subscription_id):
            raise PublishError(
                "The account lacks tenantId, subscriptionId, applicationId or applicationKey: "
                "Azure needs all of a service principal."
            )
        return ClientSecretCredential(account.tenant_id, account.application_id, account.application_key)

    def _storage_account(self) -> Any:
        client = StorageManagementClient(self._credential(), str(self.account.subscription_id))
        for account in client.storage_accounts.list():
            if account.name == self.image.storage_account:
                return account
        raise PublishError(f"The subscription has no storage account {self.image.storage_account}: make one first.")

    def _blob_service(self, storage: Any) -> BlobServiceClient:
        client = StorageManagementClient(self._credential(), str(self.account.subscription_id))
        keys = client.storage_accounts.list_keys(_group_of(storage.id), storage.name)["keys"]
        return BlobServiceClient(storage.primary_endpoints.blob, credential=keys[0]["value"])

    def _make_image(self, storage: Any, address: str) -> str:
        self.journal.report(self.source.size, self.source.size, "Making the managed image")
        client = ComputeManagementClient(self._credential(), str(self.account.subscription_id))
        disk = ImageOSDisk(os_type="Linux", os_state="Generalized", blob_uri=address)
        image = Image(
            location=self.image.region or storage.location,
            properties=ImageProperties(hyper_v_generation="V1", storage_profile=ImageStorageProfile(os_disk=disk)),
        )
        group = self.image.resource_group or _group_of(storage.id)
        poller = client.images.begin_create_or_update(group, str(self.image.display_name), image)
        return str(poller.result().id)


def upload_page_blob(
    service: BlobServiceClient, container: str, name: str, source: Source, journal: Journal
) -> BlobClient:
    """Upload a file as a page blob: only pages with data are sent, a blob that broke off goes on."""
    if source.size % _PAGE:
        raise PublishError(f"The image has {source.size} bytes: a page blob has a multiple of {_PAGE}.")
    with contextlib.suppress(ResourceExistsError):
        service.create_container(container)
    blob = service.get_blob_client(container, name)
    if not _goes_on(blob, journal):
        tag = blob.create_page_blob(source.size, metadata={"sha256": source.sha256})["etag"]
        journal.save(container=container, blob=name, created=str(tag), next=0)
    first = int(journal.state["next"])
    with source.file.open("rb", buffering=0) as file, ThreadPoolExecutor(_AT_ONCE) as pool:
        descriptor = file.fileno()

        def send(piece: tuple[int, int]) -> None:
            position, length = piece
            blob.upload_page(os.pread(descriptor, length, position), position, length)

        batch: list[tuple[int, int]] = []
        for piece in (*_pieces(descriptor, source.size), None):
            if piece is not None and piece[0] >= first:
                batch.append(piece)
            if batch and (piece is None or len(batch) == _STRIDE):
                list(pool.map(send, batch))
                reached = sum(batch[-1])
                journal.save(next=reached)
                journal.report(reached, source.size, "Uploading to Azure")
                batch.clear()
    return blob


def remove_page_blob(service: BlobServiceClient, journal: Journal) -> None:
    """Remove a blob that was uploaded in part."""
    state = journal.state
    if "blob" in state:
        with contextlib.suppress(ResourceNotFoundError):
            service.get_blob_client(state["container"], state["blob"]).delete_blob()
    journal.forget()


def _goes_on(blob: BlobClient, journal: Journal) -> bool:
    if journal.state.get("blob") != blob.blob_name or journal.state.get("container") != blob.container_name:
        return False
    return bool(blob.exists())


def _pieces(descriptor: int, size: int) -> list[tuple[int, int]]:
    """(position, bytes) of the parts of a file that have data, in whole pages."""
    pieces: list[tuple[int, int]] = []
    reached = 0
    for start, end in data(descriptor):
        position = max(reached, start // _PAGE * _PAGE)
        last = min(size, -(-end // _PAGE) * _PAGE)
        while position < last:
            length = min(_PAGES, last - position)
            pieces.append((position, length))
            position += length
        reached = max(reached, last)
    return pieces


def _group_of(resource_id: str) -> str:
    words = resource_id.split("/")
    return words[[word.lower() for word in words].index("resourcegroups") + 1]


class _in_their_words:  # noqa: N801 - reads as a word in `with`
    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, AzureError):
            words = error.reason if isinstance(error, HttpResponseError) and error.reason else ""
            raise PublishError(f"Azure refused: {error.message or words}", str(error)) from error
