"""One stack for all tests here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import local_stack


@pytest.fixture(scope="session")
def stack() -> Iterator[local_stack.LocalStack]:
    with local_stack.running() as started:
        yield started
