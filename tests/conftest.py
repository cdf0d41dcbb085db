"""How the tests are spread over processes."""

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests in one process, and all that look at the same built images: they are built once."""
    shared = {item.path for item in items if "images" in getattr(item, "fixturenames", ())}
    for item in items:
        group = "images" if item.path in shared else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
