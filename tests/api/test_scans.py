"""What the chapters of images and accounts have for scans, of which there are none."""

from typing import Any

import httpx
import pytest

_SCAN = "users/root/scannedinstances/7/scans/8"
_PUBLICATION = f"{_SCAN}/images/9/pimages/10"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"{_SCAN}/images/platformtools/1", None),
        ("POST", f"{_PUBLICATION}/deploys", {"deployment": {"name": "x"}}),
        ("GET", f"{_PUBLICATION}/accounts/1", None),
        ("GET", f"{_PUBLICATION}/accounts/1/resources", None),
    ],
)
def test_a_scan_that_is_not_there_is_named(root: httpx.Client, method: str, path: str, body: Any) -> None:
    answer = root.request(method, path, json=body)
    assert answer.status_code == 404, answer.text
    words = answer.json()["uforgeError"]["localizedErrorMsg"]
    assert words["messageId"] == "ERROR.SCANNEDINSTANCE.NOT_FOUND"
    assert words["message"].startswith("User root has no scanned machine 7")


def test_scans_keep_to_who_may_ask(root: httpx.Client, alice: httpx.Client) -> None:
    path = f"{_PUBLICATION}/accounts/1"
    assert alice.get(path).status_code in (403, 404)
    assert root.get("users/root/scannedinstances/x/scans/8/images/platformtools/1").status_code == 404
    wrong = root.post(f"{_PUBLICATION}/deploys", json={"deployment": {"nmae": "x"}})
    assert wrong.status_code == 400, wrong.text
