"""Lists that are written while they are read: a user's images, however many there are."""

from typing import Any

import httpx
import pytest

from ingot.api import streamed
from ingot.messages import codec
from ingot.messages.common import OpStatuses
from ingot.messages.image import Images
from ingot.services import images
from ingot.store.tables import Appliance
from tests.api.conftest import Site


@pytest.mark.parametrize("many", [5, 6])
def test_all_images_are_there_batch_by_batch(
    site: Site, root: httpx.Client, make_appliance: Any, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    appliance = make_appliance(profile=True)
    with site.database.transaction() as session:
        row = session.get_one(Appliance, appliance["dbId"])
        for _ in range(many):
            images.generate(session, row, format_name="QCOW2", compress=True, simulated=True, overrides=None)
    whole = root.get("users/root/images", headers={"Accept": "application/xml"})
    assert "etag" in whole.headers
    monkeypatch.setattr(streamed, "BATCH", 2)
    for accept, read in (("application/xml", codec.from_xml), ("application/json", codec.from_json)):
        answer = root.get("users/root/images", headers={"Accept": accept})
        assert answer.headers["content-type"] == accept
        assert answer.headers["transfer-encoding"] == "chunked"
        assert read(answer.content, Images) == codec.from_xml(whole.content, Images)
        assert read(answer.content, Images).total == many
        for path in ("users/root/images/status", f"{appliance['uri']}/images/statuses"):
            statuses = read(root.get(path, headers={"Accept": accept}).content, OpStatuses)
            assert (statuses.total, len(statuses.statuses)) == (many, many)
    numbers = [image.db_id for image in codec.from_xml(whole.content, Images).images]
    assert numbers == sorted(numbers, key=lambda number: -(number or 0))
    some = root.get("users/root/images", params={"img": [str(number) for number in numbers[:3]]})
    assert [entry["dbId"] for entry in some.json()["images"]["images"]["image"]] == numbers[:3]
