"""Machines at Amazon, started from published images."""

from typing import Any

from ingot.messages.account import CredAccountAws
from ingot.messages.image import PublishImageAws
from ingot.publish.aws import AwsTarget
from ingot.publish.machine import Effector, Machine, MachineState, Wanted
from ingot.publish.s3 import aws_client, in_their_words
from ingot.publish.target import TAG, PublishError

#: (cores, MB, type): the smallest that has both is taken.
_TYPES = (
    (2, 512, "t3.nano"),
    (2, 1024, "t3.micro"),
    (2, 2048, "t3.small"),
    (2, 4096, "t3.medium"),
    (2, 8192, "t3.large"),
    (4, 16384, "t3.xlarge"),
    (8, 32768, "t3.2xlarge"),
)
_STATES: dict[str, MachineState] = {
    "pending": "starting",
    "running": "running",
    "stopping": "stopped",
    "stopped": "stopped",
    "shutting-down": "gone",
    "terminated": "gone",
}


def start(account: CredAccountAws, image: PublishImageAws, wanted: Wanted) -> Machine:
    """Start a machine; asked again by the same name, Amazon answers with the same one. Raises PublishError."""
    key = {"KeyName": account.key_pair_name} if account.key_pair_name else {}
    with in_their_words("Amazon"):
        answer = _client(account, image).run_instances(
            ImageId=image.cloud_id,
            InstanceType=wanted.details.get("instance_type") or _type(wanted),
            MinCount=1,
            MaxCount=1,
            ClientToken=wanted.name[-64:],
            TagSpecifications=[
                {
                    "ResourceType": "instance",
                    "Tags": [{"Key": "Name", "Value": wanted.name}, {"Key": TAG, "Value": "deployment"}],
                }
            ],
            **key,
        )
    return _machine(answer["Instances"][0])


def look(account: CredAccountAws, image: PublishImageAws, machine_id: str) -> Machine:
    """How a machine is. One that is not there any more is `gone`."""
    with in_their_words("Amazon", missing=("InvalidInstanceID.NotFound",)):
        answer = _client(account, image).describe_instances(InstanceIds=[machine_id])
        for reservation in answer["Reservations"]:
            for instance in reservation["Instances"]:
                return _machine(instance)
    return Machine(id=machine_id, name=machine_id, state="gone", provider="aws")


def act(account: CredAccountAws, image: PublishImageAws, machine_id: str, effector: Effector) -> Machine:
    """Switch a machine on or off, or start it anew. Raises PublishError."""
    client = _client(account, image)
    actions = {
        "start": client.start_instances,
        "stop": client.stop_instances,
        "restart": client.reboot_instances,
    }
    with in_their_words("Amazon"):
        actions[effector](InstanceIds=[machine_id])
    return look(account, image, machine_id)


def terminate(account: CredAccountAws, image: PublishImageAws, machine_id: str) -> None:
    """End a machine; one that is gone already is no error. Without an id, by its name."""
    client = _client(account, image)
    with in_their_words("Amazon", missing=("InvalidInstanceID.NotFound",)):
        ids = [machine_id]
        if not machine_id.startswith("i-"):
            named = client.describe_instances(Filters=[{"Name": "tag:Name", "Values": [machine_id]}])
            ids = [one["InstanceId"] for entry in named["Reservations"] for one in entry["Instances"]]
        if ids:
            client.terminate_instances(InstanceIds=ids)


def _client(account: CredAccountAws, image: PublishImageAws) -> Any:
    return aws_client("ec2", account, image.region or image.publish_location, AwsTarget.endpoint)


def _type(wanted: Wanted) -> str:
    for cores, memory, name in _TYPES:
        if wanted.cores <= cores and wanted.memory <= memory:
            return name
    raise PublishError(
        f"No usual machine has {wanted.cores} cores and {wanted.memory} MB: name an instanceType of Amazon's."
    )


def _machine(instance: Any) -> Machine:
    names = [tag["Value"] for tag in instance.get("Tags", []) if tag["Key"] == "Name"]
    return Machine(
        id=instance["InstanceId"],
        name=names[0] if names else instance["InstanceId"],
        state=_STATES.get(instance["State"]["Name"], "failed"),
        hostname=instance.get("PublicDnsName") or instance.get("PrivateIpAddress") or "",
        provider="aws",
    )
