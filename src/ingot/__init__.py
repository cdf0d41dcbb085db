"""Ingot: a self-hosted machine image factory."""

__version__ = "0.1.0"
