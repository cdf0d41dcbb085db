"""The evidence of images, and the generation of images that have to prove that they boot."""

from starlette.responses import Response

from ingot.api import conditional
from ingot.api.downloads import redirect
from ingot.api.errors import PreconditionFailedError
from ingot.api.listing import flag, number
from ingot.api.operation import Call, Chapter
from ingot.api.operations import machineimage
from ingot.api.representations import images as representations
from ingot.messages.base import Message
from ingot.messages.extension import EvidenceFile, EvidenceFiles
from ingot.messages.image import Image
from ingot.services import evidence
from ingot.services.secrets import provenance_key

_chapter = Chapter("ingot")
CHAPTERS = (_chapter,)
_READ = ("appliance_create",)
_IMAGES = "/ingot/users/{uid}/appliances/{aid}/images"
_ONE = f"{_IMAGES}/{{itid}}"
_HEADERS = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}


@_chapter.operation(
    "ingotImage_generate",
    "POST",
    _IMAGES,
    entitlements=("image_generate",),
    body=Image,
    answer=Image,
    status=201,
    query=("bootTest",),
)
def generate(call: Call) -> Message:
    """Generate an image as `machineImage_generate` does; with `bootTest`, it is booted, and failed units fail it."""
    return machineimage.start_generation(call, boot_test=flag(call.query, "bootTest"))


@_chapter.operation("ingotEvidence_getAll", "GET", f"{_ONE}/evidence", entitlements=_READ, answer=EvidenceFiles)
def get_all(call: Call) -> Message:
    """What is kept of how an image came about."""
    row = machineimage.find_image(call)
    base = f"ingot/{representations.image_uri(row)}/evidence"
    files = [
        EvidenceFile(
            name=one.name,
            type=evidence.media_type(one.name),
            size=one.size,
            sha256sum=one.sha256,
            uri=f"{base}/{one.name}",
        )
        for one in evidence.of_image(call.session, row)
    ]
    return EvidenceFiles(total=len(files), files=files)


@_chapter.operation("ingotEvidence_get", "GET", f"{_ONE}/evidence/{{name:path}}", entitlements=_READ)
def get(call: Call) -> Response:
    """One file of an image's evidence."""
    row = machineimage.find_image(call)
    file = evidence.find(call.session, row, call.request.path_params["name"])
    headers = {**_HEADERS, "ETag": f'"{file.sha256}"'}
    request = call.request.headers
    if "if-match" in request and not conditional.matches(request["if-match"], file.sha256, weak=False):
        raise PreconditionFailedError("The file is not the one that If-Match names.")
    if conditional.is_unmodified(request, file.sha256, None):
        return Response(status_code=304, headers=headers)
    if call.server.artifacts.is_remote:
        return redirect.to(call, file.sha256, evidence.media_type(file.name))
    content = call.server.artifacts.read(file.sha256)
    return Response(content, headers=headers, media_type=evidence.media_type(file.name))


@_chapter.operation("ingotLog_get", "GET", f"{_ONE}/log", entitlements=_READ, query=("offset", "stage"))
def log_get(call: Call) -> Response:
    """The log of a generation: all its stages or one, from a byte on, also while it runs and after it failed."""
    row = machineimage.find_image(call)
    is_over = row.attempt is not None and row.attempt.is_over
    if is_over:
        parts = evidence.kept_log(call.session, call.server.artifacts, row)
    else:
        parts = evidence.running_log(call.server.settings, row)
    content = evidence.read_log(parts, stage=call.query.get("stage"), offset=number(call.query, "offset"))
    headers = {**_HEADERS, "X-Ingot-Complete": "true" if is_over else "false"}
    return Response(content, headers=headers, media_type="text/plain; charset=utf-8")


@_chapter.operation("ingotKey_get", "GET", "/ingot/provenance-key", authenticated=False)
def key_get(call: Call) -> Response:
    """The public key that statements about images are signed with, as PEM."""
    from ingot.build.evidence import dsse  # noqa: PLC0415 - it loads the library that signs (see services/secrets)

    public = provenance_key(call.server.settings).public_key()
    return Response(dsse.public_pem(public), headers=_HEADERS, media_type="application/x-pem-file")
