"""Where it was measured: the machine, its versions, and what its clocks were allowed to do.

Read before and after, since a governor or a hot board changes a latency more than most code does.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import msgspec

GPU_QUERY = "clocks.sm,clocks.mem,power.limit,temperature.gpu"
_QUERY_S = 5.0


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was measured. `load` is the mean number of waiting tasks over the last minute."""

    cpu: str
    cores: int
    system: str
    load: float
    versions: dict[str, str]


class Clocks(msgspec.Struct, frozen=True, kw_only=True):
    """What the machine's clocks stood at; None where this machine does not tell.

    Attributes:
        governor: of the cores, those that differ in turns.
        cpu_mhz, cpu_max_mhz: mean of the cores now, and the highest allowed.
        gpu_mhz: of a Jetson's GPU.
        power_mode: what ``nvpmodel`` says on a Jetson.
        gpu: what ``nvidia-smi`` says of `GPU_QUERY`, elsewhere.
        hottest_c: the highest of the thermal zones, degrees Celsius.
    """

    governor: str | None = None
    cpu_mhz: float | None = None
    cpu_max_mhz: float | None = None
    gpu_mhz: float | None = None
    power_mode: str | None = None
    gpu: str | None = None
    hottest_c: float | None = None


def describe_machine() -> Machine:
    """This machine and the versions that matter to a latency."""
    try:
        versions = {"lapa-edge": version("lapa-edge")}
    except ImportError:  # run from a checkout that was never installed
        versions = {"lapa-edge": "not installed"}
    for name in ("onnxruntime", "numpy"):
        try:
            versions[name] = version(name)
        except ImportError:  # onnxruntime-gpu brings the same module
            versions[name] = version(f"{name}-gpu")
    return Machine(
        cpu=_cpu_name(),
        cores=os.cpu_count() or 1,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        load=os.getloadavg()[0],
        versions={**versions, "python": platform.python_version()},
    )


def read_clocks(root: Path = Path("/")) -> Clocks:
    """The clocks now. `root`: where ``sys`` and ``proc`` lie."""
    policies = sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq"))
    governors = dict.fromkeys(_word(policy / "scaling_governor") for policy in policies)
    gpu = [_number(path) for path in (root / "sys/class/devfreq").glob("*gpu*/cur_freq")]
    zones = [_number(path) for path in (root / "sys/class/thermal").glob("thermal_zone*/temp")]
    degrees = [zone / 1e3 for zone in zones if zone is not None and zone > 0]
    return Clocks(
        governor=", ".join(g for g in governors if g) or None,
        cpu_mhz=_mean_mhz(policies, "scaling_cur_freq") or _mhz_in_cpuinfo(root),
        cpu_max_mhz=_mean_mhz(policies, "scaling_max_freq"),
        gpu_mhz=next((hz / 1e6 for hz in gpu if hz is not None), None),
        power_mode=_ask("nvpmodel", "-q"),
        gpu=_ask("nvidia-smi", f"--query-gpu={GPU_QUERY}", "--format=csv,noheader"),
        hottest_c=max(degrees, default=None),
    )


def clock_warnings(before: Clocks, after: Clocks) -> list[str]:
    """What of the clocks makes these times hard to repeat, in sentences."""
    found = []
    if before.governor and before.governor != "performance":
        found.append(
            f'the governor is "{before.governor}": the clock follows the load '
            "(sudo cpupower frequency-set -g performance; on a Jetson sudo jetson_clocks)"
        )
    for name in ("governor", "cpu_max_mhz", "power_mode"):
        was, now = getattr(before, name), getattr(after, name)
        if was != now:
            found.append(f"{name} changed while measuring: {was} before, {now} after")
    return found


def _mean_mhz(policies: list[Path], name: str) -> float | None:
    numbers = [number for p in policies if (number := _number(p / name)) is not None]
    return sum(numbers) / len(numbers) / 1e3 if numbers else None


def _mhz_in_cpuinfo(root: Path) -> float | None:
    lines = (_word(root / "proc/cpuinfo") or "").splitlines()
    numbers = [float(line.split(":")[1]) for line in lines if line.startswith("cpu MHz")]
    return sum(numbers) / len(numbers) if numbers else None


def _word(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:  # not there, or not for us: the machine does not tell
        return None


def _number(path: Path) -> float | None:
    word = _word(path)
    try:
        return float(word) if word else None
    except ValueError:
        return None


def _ask(*command: str) -> str | None:
    """What a command prints, in one line; None where it is not there or fails."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=_QUERY_S, errors="replace"
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return "; ".join(line.strip() for line in done.stdout.splitlines() if line.strip()) or None


def _cpu_name() -> str:
    """The CPU in words: Linux says it on x86 in cpuinfo, on a board in its device tree."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
        return Path("/proc/device-tree/model").read_text().rstrip("\0")
    except OSError:
        return platform.processor() or platform.machine()
