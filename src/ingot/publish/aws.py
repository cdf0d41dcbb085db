"""Amazon: the raw disk becomes a snapshot by EBS's own interface, and the snapshot a machine image.

Only blocks with data are sent. Compared with a detour over S3 and import-snapshot it needs no bucket (of which the
original's clients tell nothing), no role for the import, and no second copy.
"""

import base64
import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

from ingot.build.sparse import data
from ingot.messages.account import CredAccountAws
from ingot.messages.image import PublishImageAws
from ingot.messages.resources import AwsRegion, AwsResources
from ingot.publish.s3 import aws_client, in_their_words
from ingot.publish.target import TAG, Published, PublishError, Target

_BLOCK = 512 << 10
_GIB = 1 << 30
#: Blocks on their way at once, and those after which the progress is kept.
_AT_ONCE, _STRIDE = 8, 128
#: Minutes without a block after which Amazon gives a snapshot up.
_PATIENCE_MINUTES = 60
_WAIT_SECONDS = 3600
_ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "i386": "i386", "aarch64": "arm64", "arm64": "arm64"}


class AwsTarget(Target[CredAccountAws, PublishImageAws]):
    """A snapshot, then an image of it."""

    #: Another server than Amazon's own.
    endpoint: ClassVar[str | None] = None

    def publish(self) -> Published:
        """Send the blocks, then register the image."""
        region = str(self.image.region)
        with in_their_words("Amazon"):
            snapshot = self._snapshot()
            image_id = self._register(snapshot)
        return Published(image_id, region)

    def abort(self) -> None:
        """Remove the snapshot."""
        snapshot = self.journal.state.get("snapshot")
        if snapshot:
            with in_their_words("Amazon", missing=("InvalidSnapshot.NotFound",)):
                self._client("ec2").delete_snapshot(SnapshotId=snapshot)
        self.journal.forget()

    def resources(self) -> AwsResources:
        """The regions that the account may use."""
        with in_their_words("Amazon"):
            regions = self._client("ec2").describe_regions()["Regions"]
        return AwsResources(
            regions=[AwsRegion(name=row["RegionName"], localisation=row["RegionName"]) for row in regions]
        )

    def _client(self, service: str) -> Any:
        return aws_client(service, self.account, self.image.region, self.endpoint)

    def _snapshot(self) -> str:
        ebs = self._client("ebs")
        state = self.journal.state
        snapshot = state.get("snapshot")
        if snapshot and state.get("complete"):
            return str(snapshot)
        if not snapshot:
            snapshot = ebs.start_snapshot(
                VolumeSize=-(-self.source.size // _GIB),
                Description=self.source.title,
                Timeout=_PATIENCE_MINUTES,
                ClientToken=self.source.sha256[:32] + os.urandom(8).hex(),
                Tags=[{"Key": "Name", "Value": self.source.title}, {"Key": TAG, "Value": self.source.sha256}],
            )["SnapshotId"]
            self.journal.save(snapshot=snapshot, next=0, sent=0)
        self._send_blocks(ebs, snapshot)
        ebs.complete_snapshot(SnapshotId=snapshot, ChangedBlocksCount=self.journal.state["sent"])
        ec2 = self._client("ec2")
        waiter = ec2.get_waiter("snapshot_completed")
        waiter.wait(SnapshotIds=[snapshot], WaiterConfig={"Delay": 5, "MaxAttempts": _WAIT_SECONDS // 5})
        self.journal.save(complete=True)
        return str(snapshot)

    def _send_blocks(self, ebs: Any, snapshot: str) -> None:
        first, sent = int(self.journal.state["next"]), int(self.journal.state["sent"])
        with self.source.file.open("rb", buffering=0) as file, ThreadPoolExecutor(_AT_ONCE) as pool:
            descriptor = file.fileno()

            def send(index: int) -> None:
                content = os.pread(descriptor, _BLOCK, index * _BLOCK).ljust(_BLOCK, b"\0")
                ebs.put_snapshot_block(
                    SnapshotId=snapshot,
                    BlockIndex=index,
                    BlockData=content,
                    DataLength=_BLOCK,
                    Checksum=base64.b64encode(hashlib.sha256(content).digest()).decode(),
                    ChecksumAlgorithm="SHA256",
                )

            batch: list[int] = []
            for index in (*_blocks(descriptor), None):
                if index is not None and index >= first:
                    batch.append(index)
                if batch and (index is None or len(batch) == _STRIDE):
                    list(pool.map(send, batch))
                    sent += len(batch)
                    self.journal.save(next=batch[-1] + 1, sent=sent)
                    position = min((batch[-1] + 1) * _BLOCK, self.source.size)
                    self.journal.report(position, self.source.size, "Uploading to Amazon")
                    batch.clear()

    def _register(self, snapshot: str) -> str:
        architecture = _ARCHITECTURES.get(self.source.arch)
        if architecture is None:
            raise PublishError(f"Amazon has no machines of the architecture {self.source.arch}.")
        ec2 = self._client("ec2")
        name = f"{self.source.title} {self.source.sha256[:12]}"
        known = ec2.describe_images(Owners=["self"], Filters=[{"Name": "name", "Values": [name]}])["Images"]
        if known:  # registered by a try that ended before it could say so
            return str(known[0]["ImageId"])
        answer = ec2.register_image(
            Name=name,
            Description=self.source.title,
            Architecture=architecture,
            VirtualizationType="hvm",
            EnaSupport=True,
            BootMode="uefi" if architecture == "arm64" else "uefi-preferred",
            RootDeviceName="/dev/xvda",
            BlockDeviceMappings=[
                {
                    "DeviceName": "/dev/xvda",
                    "Ebs": {"SnapshotId": snapshot, "VolumeType": "gp3", "DeleteOnTermination": True},
                }
            ],
        )
        return str(answer["ImageId"])


def _blocks(descriptor: int) -> Iterator[int]:
    """The numbers of the blocks that have data, in order and each once."""
    last = -1
    for start, end in data(descriptor):
        for index in range(max(start // _BLOCK, last + 1), -(-end // _BLOCK)):
            last = index
            yield index
