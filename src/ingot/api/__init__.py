"""The UForge-compatible REST API."""
