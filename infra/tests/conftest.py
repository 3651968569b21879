"""Places, and servers that stand in for AWS."""

from __future__ import annotations

import logging
import os
import subprocess
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


ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    """Finds a program of the release build, or, with PACKAGES, takes it out of its package."""
    built = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    packages = os.environ.get("PACKAGES")
    unpacked = tmp_path_factory.mktemp("packages")

    def find(name: str) -> Path:
        package = Path(packages or ".") / f"{name}.zip"
        if packages and name != "storecast":
            folder = unpacked / name
            if not folder.exists():
                subprocess.run([sys.executable, "-m", "zipfile", "--extract", package, folder], check=True)
                (folder / "bootstrap").chmod(0o755)
            return folder / "bootstrap"
        path = built / name
        assert path.is_file(), f"{path} is missing: run `make build`"
        return path

    return find
