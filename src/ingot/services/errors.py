"""What a use case refuses, in words for the person who asked.

`message_id` does not depend on the language; `parameters` are the values that the message names.
"""


class ServiceError(Exception):
    """A use case that cannot be done as asked."""

    message_id = "ERROR.FAILED"

    def __init__(self, message: str, *parameters: str, message_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.parameters = parameters
        self.message_id = message_id or self.message_id


class NotFoundError(ServiceError):
    """There is no such object, or it is somebody else's."""

    message_id = "ERROR.NOT_FOUND"


class InvalidError(ServiceError):
    """A value cannot be right."""

    message_id = "ERROR.INVALID"


class ConflictError(ServiceError):
    """It contradicts what is there: a name that is taken, work that is going on."""

    message_id = "ERROR.CONFLICT"


class ForbiddenError(ServiceError):
    """The user lacks a right."""

    message_id = "ERROR.FORBIDDEN"


class TooManyError(ServiceError):
    """There are as many of something at once as there may be; it is possible later."""

    message_id = "ERROR.TOO_MANY"


class StorageFullError(ServiceError):
    """There is no room for it."""

    message_id = "ERROR.STORAGE.FULL"
