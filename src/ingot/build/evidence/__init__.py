"""What a build leaves behind of how it went: logs, timings, bills of materials, provenance."""
