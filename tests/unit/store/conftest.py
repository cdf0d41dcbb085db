"""Fixtures for tests of the store."""

from tests.s3 import bucket
from tests.unit.databases import database, database_url, postgres

__all__ = ["bucket", "database", "database_url", "postgres"]
