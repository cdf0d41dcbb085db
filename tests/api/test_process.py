"""What a server process has in memory."""

import json
import subprocess
import sys

#: Libraries that few requests need, or none, and that take megabytes each.
_RARE = (
    *("alembic", "boto3", "cryptography", "httpx", "jinja2", "lark", "rich", "typer"),
    "sqlalchemy.dialects.postgresql",
)


def test_a_server_process_loads_rare_libraries_when_it_needs_them() -> None:
    program = "import json, sys, ingot.api.process; print(json.dumps(sorted(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout
    assert not set(_RARE) & set(json.loads(output))
