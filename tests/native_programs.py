"""Builds the C++ programs of ``cmake/proofs.cmake``, once per checkout, and runs them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def find_tool(claim: str, *names: str) -> str:
    """The first of these that is installed; skips the test, and says so, where none is."""
    for name in names:
        if path := shutil.which(name):
            return path
    pytest.skip(f"NOT PROVEN: {claim}: {' or '.join(names)} is not installed")


def build_program(claim: str, target: str, compiler: str = "g++") -> Path:
    """Compile one program, or bring it up to date; returns where it lies."""
    cmake = find_tool(claim, "cmake")
    folder = ROOT / "build" / f"proofs-{Path(compiler).name}"
    run_checked(
        [
            cmake, "-S", ROOT, "-B", folder, "-DCMAKE_BUILD_TYPE=Release", "-DLAPA_EDGE_CUDA=OFF",
            "-DLAPA_EDGE_PROOFS=ON", f"-DCMAKE_CXX_COMPILER={compiler}",
        ]
    )  # fmt: skip
    run_checked([cmake, "--build", folder, "--target", target, "--parallel", str(os.cpu_count())])
    return folder / target


def run_checked(command: Sequence[str | Path]) -> None:
    """Run a command that has to work; its words are the test's failure otherwise."""
    done = run(command)
    assert done.returncode == 0, done.stdout


def run(command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    """Run to the end, both streams in ``stdout``; signals are negative return codes."""
    return subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
