"""The files of secrets in the data directory."""

import stat
import subprocess
import sys
from pathlib import Path

from ingot.services.secrets import server_secret, vault
from ingot.settings import Settings

_PROGRAM = """
import sys
from pathlib import Path
from ingot.services.secrets import vault
from ingot.settings import Settings
sealed = vault(Settings(data_dir=Path(sys.argv[1]))).seal("here", b"secret")
sys.stdout.write(sealed.hex())
"""


def test_processes_that_start_at_once_share_one_key(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", _PROGRAM, str(tmp_path / "data")]
    processes = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    sealed = [process.communicate(timeout=60)[0] for process in processes]
    mine = vault(Settings(data_dir=tmp_path / "data"))
    assert [mine.open("here", bytes.fromhex(text)) for text in sealed] == [b"secret"] * 4
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["vault-key"]


def test_the_files_are_the_servers_alone_and_differ(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    vault(settings)
    assert server_secret(settings) != (tmp_path / "vault-key").read_bytes()
    for name in ("secret", "vault-key"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        assert (tmp_path / name).stat().st_size == 32
