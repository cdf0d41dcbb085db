"""Use cases and their rules: plain functions on a database session, with no idea of HTTP."""
