"""What a machine tells of its clocks, from files and programs like a board's."""

from pathlib import Path

import pytest

from lapa_edge.runtime.profile import machine
from lapa_edge.runtime.profile.machine import (
    Clocks,
    clock_warnings,
    describe_machine,
    read_clocks,
)


def write_board(root: Path, governors=("schedutil", "schedutil")):
    for core, governor in enumerate(governors):
        folder = root / f"sys/devices/system/cpu/cpu{core}/cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_governor").write_text(f"{governor}\n")
        (folder / "scaling_cur_freq").write_text(f"{(core + 1) * 500_000}\n")
        (folder / "scaling_max_freq").write_text("1510400\n")
    gpu = root / "sys/class/devfreq/17000000.gpu"
    gpu.mkdir(parents=True)
    (gpu / "cur_freq").write_text("306000000\n")
    for zone, temp in enumerate(("48500", "not yet", "51000")):
        folder = root / f"sys/class/thermal/thermal_zone{zone}"
        folder.mkdir(parents=True)
        (folder / "temp").write_text(temp)
    return root


@pytest.fixture
def jetson(tmp_path, monkeypatch):
    """Programs of a Jetson on the path: nvpmodel, and no nvidia-smi."""
    program = tmp_path / "bin" / "nvpmodel"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'NV Power Mode: MAXN_SUPER'\necho 2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/bin")
    return write_board(tmp_path / "root")


def test_a_jetson_tells_its_clocks_governor_heat_and_power_mode(jetson):
    assert read_clocks(jetson) == Clocks(
        governor="schedutil",
        cpu_mhz=750.0,
        cpu_max_mhz=1510.4,
        gpu_mhz=306.0,
        power_mode="NV Power Mode: MAXN_SUPER; 2",
        gpu=None,
        hottest_c=51.0,
    )


def test_a_machine_that_tells_nothing_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert read_clocks(tmp_path) == Clocks()


def test_a_program_that_fails_or_hangs_tells_nothing(tmp_path, monkeypatch):
    for name, line in (("nvpmodel", "exit 1"), ("nvidia-smi", "exec sleep 5")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(machine, "_QUERY_S", 0.2)
    clocks = read_clocks(tmp_path)
    assert (clocks.power_mode, clocks.gpu) == (None, None)


def test_cores_of_two_governors_are_both_named(tmp_path):
    root = write_board(tmp_path, ("performance", "powersave"))
    assert read_clocks(root).governor == "performance, powersave"


def test_a_clock_that_follows_the_load_or_changed_meanwhile_is_warned_of():
    fixed = Clocks(governor="performance", cpu_max_mhz=1500.0)
    assert clock_warnings(fixed, fixed) == []
    assert "jetson_clocks" in clock_warnings(Clocks(governor="schedutil"), Clocks())[0]
    (line,) = clock_warnings(fixed, Clocks(governor="performance", cpu_max_mhz=900.0))
    assert line == "cpu_max_mhz changed while measuring: 1500.0 before, 900.0 after"


def test_the_machine_is_described_with_its_versions():
    found = describe_machine()
    assert found.cpu and found.cores >= 1
    assert {"lapa-edge", "onnxruntime", "numpy", "python"} == found.versions.keys()
