"""A client that writes and reads bytes as they are."""

import base64
import os
import socket
from typing import Any, Self

from tests.api.conftest import PASSWORD

LOGIN = "Basic " + base64.b64encode(f"root:{PASSWORD}".encode()).decode()


class Wire:
    """A connection to a server. `window`: bytes that its kernel takes before anybody reads."""

    def __init__(self, address: str, *, window: int | None = None) -> None:
        host, _, port = address.partition("://")[2].partition(":")
        self.socket = socket.socket()
        if window is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.settimeout(60)
        self.socket.connect((host, int(port)))
        self._left = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, target: str, *headers: str, method: str = "GET") -> None:
        """Send a request; headers are whole lines."""
        lines = [f"{method} {target} HTTP/1.1", "Host: x", *headers]
        self.socket.sendall("".join(f"{line}\r\n" for line in lines).encode() + b"\r\n")

    def head(self) -> tuple[int, dict[str, str]]:
        """Read an answer's status and headers (their names in lower case)."""
        while b"\r\n\r\n" not in self._left:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionResetError("the connection ended")
            self._left += data
        head, _, self._left = self._left.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(": ") for line in lines)
        return int(status.split()[1]), {name.lower(): value for name, _, value in pairs}

    def read(self, size: int) -> bytes:
        """Read so many bytes, fewer when the connection ends before."""
        parts, got = [self._left[:size]], len(self._left[:size])
        self._left = self._left[size:]
        while got < size:
            try:
                data = self.socket.recv(min(1 << 20, size - got))
            except ConnectionResetError:
                break
            if not data:
                break
            parts.append(data)
            got += len(data)
        return b"".join(parts)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Read a whole answer."""
        status, headers = self.head()
        return status, headers, self.read(int(headers.get("content-length", 0)))

    def is_ended(self) -> bool:
        """Whether the other side has closed; waits for it."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def break_off(self) -> None:
        """Go without reading what has come."""
        self.socket.close()


def target_of(image: dict[str, Any]) -> str:
    """The path of an image's downloads."""
    return f"/api/{image['uri']}/downloads"


def open_artifacts() -> int:
    """How many artifacts this process has open."""
    links = []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - the directory changes while it is read
        try:
            links.append(os.readlink(f"/proc/self/fd/{name}"))  # noqa: PTH115
        except FileNotFoundError:
            continue
    return sum("/artifacts/" in link for link in links)
