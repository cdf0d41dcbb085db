"""What the chapters of images and accounts have for scans of machines."""

from ingot.api.operation import Call, Chapter
from ingot.messages.account import CredAccount
from ingot.messages.base import Message
from ingot.messages.deployment import Deployment
from ingot.messages.resources import CredAccountResources
from ingot.messages.software import SoftwareBundles
from ingot.services import scans

_images = Chapter("machineimage")
_accounts = Chapter("usercloudaccount")
CHAPTERS = (_images, _accounts)
_SCAN = "/users/{uid}/scannedinstances/{siid}/scans/{sid}"
_PUBLICATION = f"{_SCAN}/images/{{itid}}/pimages/{{pitid}}"
_ACCOUNT = f"{_PUBLICATION}/accounts/{{caid}}"


@_images.operation(
    "scanImage_getPlatformTools",
    "GET",
    f"{_SCAN}/images/platformtools/{{tfid}}",
    entitlements=("image_generate",),
    answer=SoftwareBundles,
)
def platform_tools_get(call: Call) -> Message:
    """The agents that an image of a scan gets."""
    scans.find(call.owner, call.number("siid"))


@_images.operation(
    "scanPublishedImage_deploy",
    "POST",
    f"{_PUBLICATION}/deploys",
    entitlements=("deployments_access",),
    body=Deployment,
    answer=Deployment,
    status=201,
)
def deploy(call: Call) -> Message:
    """Start a machine from a scan's publication."""
    scans.find(call.owner, call.number("siid"))


@_accounts.operation("scanPublishedImage_getAccount", "GET", _ACCOUNT, answer=CredAccount)
def account_get(call: Call) -> Message:
    """The account that a scan's image was published with."""
    scans.find(call.owner, call.number("siid"))


@_accounts.operation(
    "scanPublishedImage_getAccountResources", "GET", f"{_ACCOUNT}/resources", answer=CredAccountResources
)
def account_resources_get(call: Call) -> Message:
    """What an account can see in the project that a scan's image was published to."""
    scans.find(call.owner, call.number("siid"))
