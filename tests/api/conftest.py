"""Fixtures that other rooms of the tests lend."""

from tests.faults.conftest import namespaces

__all__ = ["namespaces"]
