"""What can go wrong with a build, in words for the person who asked for it."""


class BuildError(Exception):
    """A build cannot go on. The message is one readable paragraph with the remedy; `detail` holds the failing
    program's own words where there is one."""

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
