"""OpenStack: an image of Glance's, in the project that the publication names."""

import contextlib
from collections.abc import Iterator
from typing import Any

from keystoneauth1.exceptions import ClientException
from keystoneauth1.identity.generic import Password
from keystoneauth1.noauth import NoAuth
from keystoneauth1.plugin import BaseAuthPlugin
from keystoneauth1.session import Session
from openstack.config.cloud_region import from_session
from openstack.connection import Connection
from openstack.exceptions import NotFoundException, SDKException

from ingot.messages.account import CredAccountOpenStack
from ingot.messages.image import PublishImageOpenStack
from ingot.messages.resources import (
    OpenstackFlavor,
    OpenstackNetwork,
    OpenstackRegion,
    OpenstackResources,
    OpenstackTenant,
)
from ingot.publish.target import TAG, Published, PublishError, Target, uploading

_DISK_FORMATS = {
    "openstackqcow2": "qcow2",
    "openstackvmdk": "vmdk",
    "openstackvhd": "vhd",
    "openstackvdi": "vdi",
    "qcow2": "qcow2",
    "raw": "raw",
}


class OpenStackTarget(Target[CredAccountOpenStack, PublishImageOpenStack]):
    """An image record, then its data; what broke off begins anew in the same record."""

    def publish(self) -> Published:
        """Upload the image and compare Glance's checksum with ours."""
        with _in_their_words(), connection(self.account, self.image) as cloud:
            image = self._record(cloud)
            with uploading(self.source, self.journal, "Uploading to OpenStack") as stream:
                image.upload(cloud.image, data=stream, size=self.source.size)
            image = cloud.image.get_image(image.id)
            if image.status != "active":
                raise PublishError(f"OpenStack shows the image {image.id} as {image.status} after its upload.")
            if image.hash_algo == "sha256" and image.hash_value != self.source.sha256:
                raise PublishError(f"OpenStack has other bytes for the image {image.id} than were sent to it.")
        return Published(str(image.id), self.account.glance_url or self.account.keystone_url or "")

    def abort(self) -> None:
        """Remove the image record with what it has."""
        image_id = self.journal.state.get("image")
        if image_id:
            with _in_their_words(), connection(self.account, self.image) as cloud:
                cloud.image.delete_image(image_id, ignore_missing=True)
        self.journal.forget()

    def resources(self) -> OpenstackResources:
        """Projects with the flavours and networks that a machine can be started with."""
        with _in_their_words(), connection(self.account, self.image) as cloud:
            return _resources(cloud)

    def _record(self, cloud: Connection) -> Any:
        known = self.journal.state.get("image")
        if known:
            # A record whose data came in part cannot take them again.
            cloud.image.delete_image(known, ignore_missing=True)
        image = cloud.image.create_image(
            str(self.image.display_name),
            disk_format=_DISK_FORMATS[self.source.format],
            container_format="bare",
            visibility="public" if self.image.public_image else "private",
            allow_duplicates=True,
            disable_vendor_agent=False,
            meta={f"{TAG}_sha256": self.source.sha256, f"{TAG}_name": self.source.title},
        )
        self.journal.save(image=str(image.id))
        return image


@contextlib.contextmanager
def connection(account: CredAccountOpenStack, image: PublishImageOpenStack) -> Iterator[Connection]:
    """A login at a cloud: at Keystone, or at a Glance without one where the account names no Keystone."""
    domain = image.keystone_domain or "Default"
    if account.keystone_url:
        login: BaseAuthPlugin = Password(
            auth_url=account.keystone_url,
            username=account.login or "",
            password=account.password or "",
            project_name=image.keystone_project or image.tenant_name or None,
            user_domain_name=domain,
            project_domain_name=domain,
        )
    elif account.glance_url:
        login = NoAuth(endpoint=account.glance_url)
    else:
        raise PublishError("The account has neither a keystoneUrl nor a glanceUrl.")
    # From a session: nothing of this machine's own files or environment for OpenStack has a say.
    config: dict[str, Any] = {"image_endpoint_override": account.glance_url} if account.glance_url else {}
    region = from_session(Session(auth=login, app_name=TAG), app_name=TAG, **config)
    cloud = Connection(config=region)
    with contextlib.closing(cloud):
        yield cloud


class _in_their_words:  # noqa: N801 - reads as a word in `with`
    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, SDKException | ClientException):
            raise PublishError(f"OpenStack refused: {error}") from error


def _resources(cloud: Connection) -> OpenstackResources:
    region = OpenstackRegion(region_name=cloud.config.region_name or "RegionOne")
    # A cloud need not have machines or networks for images to be published to it.
    with contextlib.suppress(SDKException, ClientException):
        region.flavors = [
            OpenstackFlavor(name=row.name, id=row.id, cpu=row.vcpus, disk=row.disk, ram=row.ram)
            for row in cloud.compute.flavors()
        ]
    with contextlib.suppress(SDKException, ClientException):
        region.networks = [OpenstackNetwork(name=row.name, id=row.id) for row in cloud.network.networks()]
    try:
        identity: Any = cloud.identity
        projects = list(identity.user_projects(cloud.current_user_id))
    except (AttributeError, NotFoundException):
        projects = [cloud.current_project]
    return OpenstackResources(
        tenants=[
            OpenstackTenant(
                name=row.name,
                available=True,
                description=getattr(row, "description", None),
                id=row.id,
                regions_entities=[region] if row.id == cloud.current_project_id else [],
            )
            for row in projects
        ]
    )
