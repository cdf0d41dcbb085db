"""Let nginx in front of the server send the bytes (X-Accel-Redirect); deploy/nginx.conf is its side."""

from starlette.responses import Response

from ingot.api.downloads.response import ACCELERATOR, Downloadable, Plan
from ingot.api.operation import Call

#: The internal location that nginx serves artifacts from.
_LOCATION = "/ingot-artifacts/"
_CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")


def response(call: Call, file: Downloadable, planned: Plan) -> Response | None:
    """The answer that makes nginx send what is planned; None where we send it ourselves.

    nginx evaluates the request anew, with rules of its own: it gets what these decide as we do, the whole file and
    single ranges. Who comes to us past nginx is served by us.
    """
    settings, headers = call.server.settings, call.request.headers
    if settings.accelerated_downloads != "nginx" or headers.get(ACCELERATOR) != "nginx":
        return None
    if any(name in headers for name in _CONDITIONS) or len(planned.ranges) > 1:
        return None
    if planned.status == 200 and "range" in headers:
        return None
    rates = [rate for rate in (settings.download_rate_per_object, settings.download_rate_per_user) if rate]
    directions = {
        "X-Accel-Redirect": f"{_LOCATION}{file.sha256[:2]}/{file.sha256}",
        "X-Ingot-Owner": str(file.owner_id),
    }
    if rates:
        directions["X-Accel-Limit-Rate"] = str(min(rates))
    own = {name: value for name, value in file.content_headers.items() if name != "Accept-Ranges"}  # nginx says it
    return Response(headers={**own, **directions}, media_type="application/octet-stream")
