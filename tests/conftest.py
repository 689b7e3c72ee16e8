"""Fixtures that several rooms share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# Helpers that lie beside the tests: bundles.py and its like.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real clips and demonstrations beside the checkout; they are not part of the repository."""
    path = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip(f"NO REAL DATA: {path} is absent, so this claim was not checked")
    return path
