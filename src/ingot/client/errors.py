"""What a client's request comes to when it does not come off, in words for people."""


class ClientError(Exception):
    """Nothing came of it; the message says why and what to do."""


class NoLoginError(ClientError):
    """It is not known which server, or who asks."""


class UnreachableError(ClientError):
    """The server does not answer, or what answers is no server of ours."""


class RefusedError(ClientError):
    """The server answered with an error; `status` is HTTP's."""

    def __init__(self, status: int, message: str, message_id: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message_id = message_id
