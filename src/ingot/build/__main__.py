"""The engine as a process: see `ingot.build.commands`. It starts and ends without delay."""

import gc
import os
import sys

# What is imported stays: to look for garbage among it is a fifth of the start.
gc.disable()
# Nobody extends the models here, and to look for who might reads the metadata of all that is installed.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from ingot.build.commands import main  # noqa: E402 - only now

if __name__ == "__main__":
    gc.freeze()
    gc.enable()
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Nothing is left to do; to take everything apart first takes as long as a third of the start.
    os._exit(status)
