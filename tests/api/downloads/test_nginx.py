"""nginx in front of the server, with the configuration that is in deploy/."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.conftest import PASSWORD, Site
from tests.api.downloads.conftest import SIZE, serving
from tests.api.downloads.wire import Wire
from tests.faults.site import eventually

_CONFIGURATION = Path(__file__).parents[3] / "deploy/nginx.conf"
_RATE = 40_000_000
#: What a client gets through nginx as it would get it from the server itself.
_HEADERS = (
    "etag",
    "last-modified",
    "content-type",
    "content-length",
    "content-disposition",
    "repr-digest",
    "accept-ranges",
    "cache-control",
    "referrer-policy",
    "x-content-type-options",
)


class Nginx:
    """A running nginx and what it logged."""

    def __init__(self, directory: Path, upstream: str, artifacts: Path) -> None:
        program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        if program is None:
            pytest.skip("nginx is not installed: apt-get install nginx-light")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        text = _CONFIGURATION.read_text()
        for mine, theirs in {
            "server 127.0.0.1:8080;": f"server {upstream.removeprefix('http://')};",
            "listen 80;": f"listen 127.0.0.1:{port};",
            "/var/lib/ingot/artifacts/": f"{artifacts}/",
            "/var/log/nginx/ingot": f"{directory}/ingot",
        }.items():
            assert mine in text, mine
            text = text.replace(mine, theirs)
        (directory / "ingot.conf").write_text(text)
        temporary = "\n".join(
            f"{kind}_temp_path {directory}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;" if os.geteuid() == 0 else ""
        (directory / "nginx.conf").write_text(
            f"daemon off; {user} pid {directory}/pid; error_log {directory}/error.log;\n"
            f"events {{}}\nhttp {{\n{temporary}\ninclude {directory}/ingot.conf;\n}}\n"
        )
        self.address = f"http://127.0.0.1:{port}"
        self._directory = directory
        self._process = subprocess.Popen(
            [program, "-e", f"{directory}/error.log", "-c", f"{directory}/nginx.conf"], stdin=subprocess.DEVNULL
        )
        eventually(self._is_up, "nginx answers")

    def _is_up(self) -> bool:
        assert self._process.poll() is None, self.logs()
        try:
            return httpx.get(f"{self.address}/api/status").status_code == 200
        except httpx.TransportError:
            return False

    def logs(self) -> str:
        """Everything that it logged."""
        return "".join(file.read_text() for file in self._directory.glob("*.log"))

    def close(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait()


@pytest.fixture
def nginx(site: Site, tmp_path: Path) -> Iterator[Nginx]:
    with serving(site, accelerated_downloads="nginx", download_rate_per_object=_RATE) as upstream:
        nginx = Nginx(tmp_path, upstream, site.directory / "artifacts")
        yield nginx
        nginx.close()


def test_nginx_sends_what_the_server_allows(
    site: Site,
    nginx: Nginx,
    image: dict[str, Any],
    content: bytes,
    root: httpx.Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ingot.api.downloads import nginx as side
    from ingot.api.downloads.sending import FileResponse

    by_nginx, by_us = [], []
    real = side.response
    monkeypatch.setattr(
        "ingot.api.downloads.room.nginx.response",
        lambda *call: answer if (answer := real(*call)) is None else by_nginx.append(answer) or answer,
    )
    sent = FileResponse.__call__

    async def note(response: FileResponse, *call: Any) -> None:
        by_us.append(response)
        await sent(response, *call)

    monkeypatch.setattr(FileResponse, "__call__", note)
    target, tag = f"/api/{image['uri']}/downloads", f'"{image["sha256sum"]}"'
    with httpx.Client(base_url=nginx.address, auth=("root", PASSWORD), timeout=60) as client:
        direct = root.get(f"{site.address}{target}")
        by_us.clear()
        whole = client.get(target)
        assert (whole.status_code, whole.content) == (200, content)
        for name in _HEADERS:
            assert whole.headers.get_list(name) == direct.headers.get_list(name), name
        assert not [name for name in whole.headers if "accel" in name or "ingot" in name]
        part = client.get(target, headers={"Range": "bytes=5-9"})
        assert (part.status_code, part.content) == (206, content[5:10])
        assert part.headers["content-range"] == f"bytes 5-9/{SIZE}"
        good = client.get(target, headers={"Range": "bytes=-3", "If-Range": tag})
        assert (good.status_code, good.content) == (206, content[-3:])
        assert len(by_nginx) == 3
        assert by_us == []
        # What nginx would decide in its own way is decided and sent by the server.
        assert client.get(target, headers={"If-Match": tag}).content == content
        assert client.get(target, headers={"Range": "bytes=5-9", "If-Range": '"other"'}).content == content
        several = client.get(target, headers={"Range": "bytes=0-1,5-6"})
        assert several.status_code == 206
        assert content[5:7] in several.content
        assert len(by_us) == 3
        for headers, status in (
            ({"If-None-Match": tag}, 304),
            ({"If-Match": '"other"'}, 412),
            ({"Range": f"bytes={SIZE}-"}, 416),
        ):
            assert client.get(target, headers=headers).status_code == status
        head = client.head(target)
        assert (head.status_code, head.headers["content-length"]) == (200, str(SIZE))
        assert client.get(f"{target}/other").status_code == 404
        assert client.get(target, auth=("root", "wrong")).status_code == 401


def test_nothing_else_leads_to_the_files(nginx: Nginx, image: dict[str, Any]) -> None:
    sha256 = image["sha256sum"]
    for path in (f"/ingot-artifacts/{sha256[:2]}/{sha256}", "/ingot-artifacts/", "/ingot-artifacts/../ingot.db"):
        with Wire(nginx.address) as wire:
            wire.send(path, f"X-Accel-Redirect: {path}")
            assert wire.answer()[0] in (400, 404), path


def test_a_key_opens_one_download_through_nginx(
    nginx: Nginx, root: httpx.Client, image: dict[str, Any], content: bytes
) -> None:
    target, tag = f"/api/{image['downloadUri']}", f'"{image["sha256sum"]}"'
    with Wire(nginx.address) as wire:
        wire.send(target)
        assert wire.head()[0] == 200
        got = wire.read(1_000_000)
        wire.break_off()
    assert httpx.get(nginx.address + target).status_code == 403
    assert httpx.get(nginx.address + target, headers={"Range": f"bytes={len(got)}-"}).status_code == 403
    rest = httpx.get(nginx.address + target, headers={"Range": f"bytes={len(got)}-", "If-Range": tag}, timeout=60)
    assert rest.status_code == 206
    assert got + rest.content == content
    present = root.get(image["uri"]).json()["image"]
    assert present["downloadKey"] != image["downloadKey"]
    logs = nginx.logs()
    assert "downloads" in logs
    assert image["downloadKey"] not in logs
    assert not re.search("downloadId", logs)


def test_nginx_is_told_the_rate(site: Site, nginx: Nginx, image: dict[str, Any]) -> None:
    with Wire(nginx.address) as wire:
        wire.send(f"/api/{image['downloadUri']}")
        assert wire.answer()[0] == 200
    with serving(site, accelerated_downloads="nginx", download_rate_per_user=1234) as upstream:
        login = httpx.BasicAuth("root", PASSWORD)
        url = f"{upstream}/api/{image['uri']}/downloads"
        told = httpx.get(url, auth=login, headers={"X-Ingot-Accelerator": "nginx"})
        assert told.headers["x-accel-limit-rate"] == "1234"
        past = httpx.head(url, auth=login)
        assert "x-accel-redirect" not in past.headers


def test_limits_that_nginx_cannot_keep_are_refused() -> None:
    from pydantic import ValidationError

    from ingot.settings import Settings

    with pytest.raises(ValidationError, match="limit_conn"):
        Settings(accelerated_downloads="nginx", downloads_per_user=3)
