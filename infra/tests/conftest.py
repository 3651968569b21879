"""Places, and servers that stand in for AWS."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# The transformation says that nobody collects its usage figures.
logging.getLogger("samtranslator").setLevel(logging.ERROR)
# No credentials of a person, and no call to AWS by mistake.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ.update(
    AWS_ACCESS_KEY_ID="nobody",
    AWS_SECRET_ACCESS_KEY="nothing",
    AWS_DEFAULT_REGION="eu-central-1",
    AWS_EC2_METADATA_DISABLED="true",
    SAM_CLI_TELEMETRY="0",
)


def programs() -> Path:
    """Where the release build puts programs."""
    root = Path(__file__).resolve().parents[2]
    return Path(os.environ.get("CARGO_TARGET_DIR", root / "target")) / "release"


@pytest.fixture(scope="session")
def program():
    """Finds a program of the release build."""

    def find(name: str) -> Path:
        path = programs() / name
        assert path.is_file(), f"{path} is missing: run `make build`"
        return path

    return find
