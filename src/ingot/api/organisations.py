"""The organisation in a path."""

from ingot.api.operation import Call
from ingot.services.errors import NotFoundError
from ingot.store.tables import Organisation


def find_organisation(call: Call) -> Organisation:
    """The organisation in the path, which has to be that of who acts."""
    number = call.number("oid")
    if number != call.user.organisation_id:
        raise NotFoundError(f"There is no organisation {number}.", message_id="ERROR.ORG.NOT_FOUND")
    return call.user.organisation
