"""A web server that takes files by PUT; with WebDAV, under a name of its own until the file is whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import httpx

from ingot.messages.extension import CredAccountWebDav, PublishImageWebDav
from ingot.publish.target import Published, PublishError, Target, uploading


class WebDavTarget(Target[CredAccountWebDav, PublishImageWebDav]):
    """PUT, then MOVE into place. A server that knows no MOVE has the file at once under its own name."""

    def publish(self) -> Published:
        """Upload the file."""
        path = self._path()
        temporary = f"{path}.part"
        with self._session() as server:
            self.journal.save(paths=[temporary])
            with uploading(self.source, self.journal, "Uploading") as stream:
                answer = server.put(temporary, content=iter(stream), headers={"Content-Length": str(self.source.size)})
            _require(answer)
            moved = server.request(
                "MOVE", temporary, headers={"Destination": f"{server.base_url}{path}", "Overwrite": "T"}
            )
            if moved.status_code in (405, 501):
                self.journal.save(paths=[temporary, path])
                with uploading(self.source, self.journal, "Uploading") as stream:
                    length = {"Content-Length": str(self.source.size)}
                    _require(server.put(path, content=iter(stream), headers=length))
                server.delete(temporary)
            else:
                _require(moved)
            address = f"{server.base_url}{path}"
        return Published(address, address)

    def abort(self) -> None:
        """Remove what was uploaded in part."""
        paths = self.journal.state.get("paths", [])
        if paths:
            with self._session() as server:
                for path in paths:
                    answer = server.delete(path)
                    if answer.status_code not in (404, 405, 501):
                        _require(answer)
        self.journal.forget()

    def _path(self) -> str:
        path = self.image.path or self.source.file_name
        if ".." in path.split("/"):
            raise PublishError(f"The path {path} must not leave the account's directory.")
        path = path.lstrip("/")
        if path.endswith("/") or not path:
            path += self.source.file_name
        return quote(path)

    @contextmanager
    def _session(self) -> Iterator[httpx.Client]:
        account = self.account
        if not account.endpoint_url:
            raise PublishError("The account has no address (endpointUrl).")
        login = (account.login, account.password or "") if account.login else None
        base = account.endpoint_url.rstrip("/") + "/"
        try:
            with httpx.Client(base_url=base, auth=login, timeout=httpx.Timeout(120, connect=20)) as client:
                yield client
        except httpx.HTTPError as error:
            raise PublishError(f"The server {base} could not be reached: {error}.") from error


def _require(answer: httpx.Response) -> None:
    if answer.is_error:
        words = f"{answer.status_code} {answer.reason_phrase}"
        raise PublishError(f"The server refused {answer.request.method}: {words}.", answer.text[:4000])
