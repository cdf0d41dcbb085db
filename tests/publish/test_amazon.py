"""Publishing to Amazon and to what speaks S3, against a stand-in for Amazon's services."""

import hashlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from moto.ebs.models import ebs_backends
from moto.ec2.models import ec2_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from ingot.messages.account import CredAccountAws
from ingot.messages.extension import CredAccountS3, PublishImageS3
from ingot.messages.image import PublishImageAws
from ingot.publish import amazon_machines, targets
from ingot.publish.aws import AwsTarget
from ingot.publish.machine import Wanted
from ingot.publish.s3 import S3Target, aws_client
from ingot.publish.target import PublishError, Source
from tests.publish.conftest import Broken, Notes

_BLOCK = 512 << 10
_AWS = CredAccountAws(access_key_id="AKIA", secret_access_key_id="secret")


@pytest.fixture(scope="module")
def amazon() -> Iterator[str]:
    """The address of the stand-in."""
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def aws(amazon: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(AwsTarget, "endpoint", amazon)
    return amazon


def _s3(amazon: str) -> CredAccountS3:
    return CredAccountS3(endpoint_url=amazon, region="eu-west-1", access_key_id="AK", secret_access_key_id="secret")


def _bucket(amazon: str, name: str) -> Any:
    client: Any = aws_client("s3", _s3(amazon), "eu-west-1", amazon)
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return client


def _aws_image(region: str = "eu-west-1") -> PublishImageAws:
    return PublishImageAws(region=region)


def test_an_object_arrives_whole(amazon: str, large_file: Source) -> None:
    client = _bucket(amazon, "whole")
    notes = Notes()
    image = PublishImageS3(bucket="whole", key="images/web.qcow2")
    published = S3Target(_s3(amazon), image, large_file, notes.journal()).run()
    assert published.cloud_id == "whole/images/web.qcow2"
    answer = client.get_object(Bucket="whole", Key="images/web.qcow2")
    assert hashlib.sha256(answer["Body"].read()).hexdigest() == large_file.sha256
    assert answer["Metadata"] == {"sha256": large_file.sha256}
    assert notes.last == {"published": [published.cloud_id, published.location]}
    assert notes.reports[-1] == (large_file.size, large_file.size)


def test_an_upload_that_died_sends_only_what_is_missing(amazon: str, large_file: Source) -> None:
    client = _bucket(amazon, "resumed")
    image = PublishImageS3(bucket="resumed")
    target = S3Target(_s3(amazon), image, large_file, Notes(dies_after=1).journal())
    upload = client.create_multipart_upload(Bucket="resumed", Key=large_file.file_name)["UploadId"]
    with large_file.file.open("rb") as file:
        for number in (1, 2):
            part = file.read(16 << 20)
            client.upload_part(
                Bucket="resumed", Key=large_file.file_name, UploadId=upload, PartNumber=number, Body=part
            )
    state = {"bucket": "resumed", "key": large_file.file_name, "upload": upload}
    notes = Notes()
    target = S3Target(_s3(amazon), image, large_file, notes.journal(state))
    target.run()
    body = client.get_object(Bucket="resumed", Key=large_file.file_name)["Body"].read()
    assert hashlib.sha256(body).hexdigest() == large_file.sha256
    assert client.list_multipart_uploads(Bucket="resumed").get("Uploads", []) == []


def test_an_upload_that_is_given_up_leaves_nothing(amazon: str, large_file: Source) -> None:
    client = _bucket(amazon, "aborted")
    image = PublishImageS3(bucket="aborted")
    dying = Notes(dies_after=1)
    with pytest.raises(Broken):
        S3Target(_s3(amazon), image, large_file, dying.journal()).run()
    assert len(client.list_multipart_uploads(Bucket="aborted")["Uploads"]) == 1
    S3Target(_s3(amazon), image, large_file, Notes().journal(dying.last)).abort()
    assert client.list_multipart_uploads(Bucket="aborted").get("Uploads", []) == []
    # Once more does no harm.
    S3Target(_s3(amazon), image, large_file, Notes().journal(dying.last)).abort()


def test_a_bucket_that_is_not_there_is_named_in_the_store_s_words(amazon: str, large_file: Source) -> None:
    with pytest.raises(PublishError, match="The specified bucket does not exist"):
        S3Target(_s3(amazon), PublishImageS3(bucket="nowhere"), large_file, Notes().journal()).run()


def _snapshot_blocks(snapshot: str) -> dict[int, bytes]:
    blocks = ebs_backends["123456789012"]["eu-west-1"].snapshots[snapshot].blocks
    return {int(index): block.block_data for index, block in blocks.items()}


def _expected_blocks(source: Source) -> dict[int, bytes]:
    content = source.file.read_bytes()
    blocks = {n: content[n * _BLOCK : (n + 1) * _BLOCK].ljust(_BLOCK, b"\0") for n in range(len(content) // _BLOCK)}
    return {number: block for number, block in blocks.items() if block.strip(b"\0")}


def test_a_raw_disk_becomes_a_snapshot_and_a_machine_image(aws: str, raw_disk: Source) -> None:
    notes = Notes()
    published = AwsTarget(_AWS, _aws_image(), raw_disk, notes.journal()).run()
    ec2: Any = aws_client("ec2", _AWS, "eu-west-1", aws)
    image = ec2.describe_images(ImageIds=[published.cloud_id])["Images"][0]
    assert image["Name"] == f"Web server 1.0 {raw_disk.sha256[:12]}"
    snapshot = notes.saved[0]["snapshot"]
    # Blocks that hold nothing were not sent.
    assert _snapshot_blocks(snapshot) == _expected_blocks(raw_disk)
    assert published.location == "eu-west-1"
    assert notes.last == {"published": [published.cloud_id, published.location]}
    # Published again: the same machine image, not another of the same name.
    again = AwsTarget(_AWS, _aws_image(), raw_disk, Notes().journal({"snapshot": snapshot, "complete": True})).run()
    assert again.cloud_id == published.cloud_id


def test_a_snapshot_that_died_goes_on_where_it_was(aws: str, raw_disk: Source) -> None:
    dying = Notes(dies_after=1)
    with pytest.raises(Broken):
        AwsTarget(_AWS, _aws_image(), raw_disk, dying.journal()).run()
    notes = Notes()
    AwsTarget(_AWS, _aws_image(), raw_disk, notes.journal(dying.last)).run()
    assert _snapshot_blocks(dying.last["snapshot"]) == _expected_blocks(raw_disk)


def test_a_snapshot_that_is_given_up_is_removed(aws: str, raw_disk: Source) -> None:
    dying = Notes(dies_after=2)
    with pytest.raises(Broken):
        AwsTarget(_AWS, _aws_image(), raw_disk, dying.journal()).run()
    backend = ec2_backends["123456789012"]["eu-west-1"]
    assert dying.last["snapshot"] in backend.snapshots
    AwsTarget(_AWS, _aws_image(), raw_disk, Notes().journal(dying.last)).abort()
    assert dying.last["snapshot"] not in backend.snapshots
    AwsTarget(_AWS, _aws_image(), raw_disk, Notes().journal(dying.last)).abort()


def test_regions_can_be_chosen_from(aws: str, raw_disk: Source) -> None:
    resources = AwsTarget(_AWS, PublishImageAws(), raw_disk, Notes().journal()).resources()
    assert "eu-west-1" in [region.name for region in resources.regions or []]


def test_what_cannot_work_is_refused_at_once(raw_disk: Source) -> None:
    with pytest.raises(PublishError, match="lacks region"):
        targets.check(PublishImageAws(), "aws")
    with pytest.raises(PublishError, match=r"format qcow2 .* generate one as aws"):
        targets.check(_aws_image(), "qcow2")


def test_a_machine_is_started_told_to_stop_and_ended(aws: str, raw_disk: Source) -> None:
    image = _aws_image()
    image.cloud_id = AwsTarget(_AWS, image, raw_disk, Notes().journal()).run().cloud_id
    machine = amazon_machines.start(_AWS, image, Wanted("web1-0123456789", cores=2, memory=1500))
    ec2: Any = aws_client("ec2", _AWS, "eu-west-1", aws)

    def seen() -> dict[str, Any]:
        answer: dict[str, Any] = ec2.describe_instances(InstanceIds=[machine.id])["Reservations"][0]["Instances"][0]
        return answer

    assert (seen()["ImageId"], seen()["InstanceType"]) == (image.cloud_id, "t3.small")
    found = amazon_machines.look(_AWS, image, machine.id)
    assert (found.name, found.state, found.hostname) == ("web1-0123456789", "running", seen()["PublicDnsName"])
    assert amazon_machines.act(_AWS, image, machine.id, "stop").state == "stopped"
    assert amazon_machines.act(_AWS, image, machine.id, "start").state == "running"
    assert amazon_machines.act(_AWS, image, machine.id, "restart").state == "running"
    # By its name: the process that started it ended before it could say its id.
    amazon_machines.terminate(_AWS, image, "web1-0123456789")
    assert amazon_machines.look(_AWS, image, machine.id).state == "gone"
    amazon_machines.terminate(_AWS, image, machine.id)
    amazon_machines.terminate(_AWS, image, "i-0123456789abcdef0")


def test_a_machine_that_amazon_has_not_is_refused_in_words(aws: str) -> None:
    image = _aws_image()
    image.cloud_id = "ami-00000000"
    with pytest.raises(PublishError, match="name an instanceType"):
        amazon_machines.start(_AWS, image, Wanted("large", cores=500, memory=1 << 20))
    with pytest.raises(PublishError, match="i-0123456789abcdef0"):
        amazon_machines.act(_AWS, image, "i-0123456789abcdef0", "stop")
