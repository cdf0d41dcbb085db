"""Send who downloads to the bucket where the content lies: by a signed address that is good for a short time.

Conditions, keys and names are decided by us, and the content never passes through us. What the client adds to the
redirected request, the bucket decides.
"""

from starlette.responses import Response

from ingot.api.downloads.response import Downloadable, Plan, content_disposition
from ingot.api.errors import PreconditionFailedError
from ingot.api.operation import Call


def response(call: Call, file: Downloadable, planned: Plan) -> Response | None:
    """The redirect to what is planned; None where the content is a file of this machine.

    Raises PreconditionFailedError for a part of another content than this: the client would ask the bucket for that
    part all the same, and join what does not belong together.
    """
    if not call.server.artifacts.is_remote:
        return None
    if planned.status == 200 and "range" in call.request.headers and "if-range" in call.request.headers:
        raise PreconditionFailedError("The file is not the one that If-Range names: begin anew, without Range.")
    return to(call, file.sha256, "application/octet-stream", content_disposition(file.file_name))


def to(call: Call, sha256: str, media_type: str, disposition: str | None = None) -> Response:
    """The redirect to a content. Raises ArtifactError when no address can be made."""
    headers = {
        "Location": call.server.artifacts.address(sha256, disposition, media_type),
        # The address is a secret for as long as it is good, and no other request may get it.
        "Cache-Control": "no-store",
        # The key in our own address is none of the bucket's business.
        "Referrer-Policy": "no-referrer",
    }
    return Response(status_code=307, headers=headers)
