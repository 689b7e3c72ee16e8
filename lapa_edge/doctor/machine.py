"""The GPU, its driver and, on a Jetson, the system: as the machine itself tells."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

from lapa_edge.doctor.finding import Finding, Status
from lapa_edge.runtime.backends.tensorrt_library import gpu_capability

SECTION = "machine"
TEGRA = Path("/etc/nv_tegra_release")
DEVICES = ("/dev/nvidia0", "/dev/nvhost-gpu", "/dev/nvgpu/igpu0/ctrl")
TIMEOUT_S = 10.0


def check_machine() -> list[Finding]:
    """The Jetson where it is one, the CUDA driver, and the GPU behind it."""
    return [*_jetson(), _driver(gpu_capability()), *_nvidia_smi()]


def _finding(name: str, status: Status, found: str, remedy: str = "") -> Finding:
    return Finding(section=SECTION, name=name, status=status, found=found, remedy=remedy)


def _jetson() -> list[Finding]:
    if not TEGRA.is_file():
        return []
    release = TEGRA.read_text(errors="replace").splitlines()[:1]
    found = [_finding("jetson", "ok", release[0].lstrip("# ") if release else "unknown release")]
    mode = _ask("nvpmodel", "-q")
    if mode:
        found.append(_finding("power mode", "info", " ".join(mode.split())))
    return found


def _driver(capability: str | None) -> Finding:
    """The CUDA driver by its own library: what TensorRT and ONNX Runtime ask as well."""
    if capability is not None:
        return _finding("gpu", "ok", f"answers, compute capability {capability}")
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        if not any(Path(device).exists() for device in DEVICES):
            return _finding("gpu", "info", "none; the CPU runs bundles, engines need a GPU")
        return _finding(
            "gpu",
            "fail",
            "there is one, and no CUDA driver (libcuda.so.1)",
            "install NVIDIA's driver; in a container, start it with `--gpus all` or, on a Jetson, "
            "`--runtime nvidia`",
        )
    code = int(driver.cuInit(0))
    words = f"the CUDA driver finds none it can use (cuInit answers {code})"
    if not any(Path(device).exists() for device in DEVICES):
        return _finding("gpu", "info", f"{words}; the CPU runs bundles, engines need a GPU")
    return _finding(
        "gpu",
        "fail",
        words,
        "see `dmesg | grep -i nv`; after an update of the driver, restart the machine",
    )


def _nvidia_smi() -> list[Finding]:
    fields = "name,driver_version,memory.total"
    said = _ask("nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader")
    return [_finding("nvidia-smi", "info", line) for line in (said or "").splitlines()]


def _ask(*command: str) -> str | None:
    """What a program says; None where it is not there, fails, or takes too long."""
    program = shutil.which(command[0])
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *command[1:]], capture_output=True, text=True, timeout=TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
