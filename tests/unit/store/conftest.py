"""Fixtures for tests of the store."""

from tests.unit.databases import database, database_url, postgres

__all__ = ["database", "database_url", "postgres"]
