"""How long the codecs take for a list of 1,000 images of 21 fields each.

Beside them stand what bounds them from below: lxml's parser alone, and Pydantic's own JSON, which knows neither
wrappers nor subtypes. Run: .venv/bin/python benchmarks/codec.py
"""

import datetime as dt
import time
from collections.abc import Callable

from lxml import etree

from ingot.messages import codec
from ingot.messages.image import Image, Images

_NOW = dt.datetime.now(dt.UTC)


def _image(number: int) -> Image:
    uri = f"users/root/appliances/1/images/{number}"
    return Image(
        created=_NOW,
        db_id=number,
        digest="0123456789abcdef" * 2,
        last_modified=_NOW,
        size=1_234_567_890,
        uploaded=True,
        parent_uri="users/root/appliances/1",
        compress=True,
        download_key="k" * 43,
        download_uri=f"{uri}/downloads?downloadId={'k' * 43}",
        file_name="web & more.qcow2",
        file_size=1_234_567_890,
        full_name="web 1.0",
        name="web",
        revision=number,
        simulated=False,
        status_uri=f"{uri}/status",
        tag="web",
        uri=uri,
        version="1.0",
        vm_disk_size=10_240,
    )


def _milliseconds(work: Callable[[], object]) -> float:
    """The best of ten."""
    best = float("inf")
    for _ in range(10):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best * 1000


def main() -> None:
    """Print the figures."""
    images = Images(total=1000, images=[_image(number) for number in range(1000)])
    xml, json, peer = codec.to_xml(images), codec.to_json(images), images.model_dump_json(exclude_none=True).encode()
    assert codec.from_xml(xml, Images) == codec.from_json(json, Images) == images
    rows: list[tuple[str, Callable[[], object], Callable[[], object]]] = [
        ("XML", lambda: codec.to_xml(images), lambda: codec.from_xml(xml, Images)),
        ("JSON", lambda: codec.to_json(images), lambda: codec.from_json(json, Images)),
        (
            "Pydantic's JSON",
            lambda: images.model_dump_json(exclude_none=True),
            lambda: Images.model_validate_json(peer),
        ),
        ("lxml alone", lambda: None, lambda: etree.fromstring(xml)),
    ]
    print(f"1,000 images of 21 fields: {len(xml):,} bytes of XML, {len(json):,} bytes of JSON")
    print(f"{'':<16}{'write':>10}{'read':>10}   ms")
    for name, write, read in rows:
        print(f"{name:<16}{_milliseconds(write):>10.1f}{_milliseconds(read):>10.1f}")


if __name__ == "__main__":
    main()
