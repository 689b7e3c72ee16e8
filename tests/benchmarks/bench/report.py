"""What one run leaves behind, as JSON: the machine, every time, and what became of each claim.

`table.py` draws the tables from this alone. All times are microseconds of one call.
"""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from lapa_edge.runtime.profile import Machine

PEERS = ("torch", "faiss-cpu", "opencv-python-headless")  # beside those that Machine lists


class Spread(msgspec.Struct, frozen=True):
    """A median over the rounds, and the tenth and ninetieth percentile around it."""

    p10: float
    p50: float
    p90: float


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate of a contest. `error` is None where nothing is computed: see contest.py."""

    contest: str
    name: str
    role: str
    us: Spread
    error: float | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a claim.

    Args:
        group: "head", "code", "frame", or another benchmark's.
        subject: what was computed.
        kernel: which of ours.
        us: our time.
        peer, peer_us: the fastest of the alternatives named in the claim.
        ratio: its time to ours, round by round.
        must: the least `ratio` promised.
        must_us: the longest `us` promised.
        rival, rival_ratio: the fastest alternative of all, named in the claim or not.
        floor, floor_us: what no kernel can beat here.
        distance: our time to the floor's, round by round.
        aim: the largest `distance` hoped for.
        aim_us: the longest `us` hoped for.
    """

    group: str
    subject: str
    kernel: str
    us: Spread
    peer: str = ""
    peer_us: Spread | None = None
    ratio: Spread | None = None
    must: float | None = None
    must_us: float | None = None
    rival: str = ""
    rival_ratio: Spread | None = None
    floor: str = ""
    floor_us: Spread | None = None
    distance: Spread | None = None
    aim: float | None = None
    aim_us: float | None = None

    @property
    def met_must(self) -> bool | None:
        """By the median; None where nothing was promised."""
        if self.must is not None and self.ratio is not None:
            return self.ratio.p50 >= self.must
        return None if self.must_us is None else self.us.p50 <= self.must_us

    @property
    def allowed(self) -> float | None:
        """The ratio of a kernel as fast as the floor, where that is too little for `must`.

        None too where ours is faster than the floor, which then limits nothing.
        """
        if not (self.must and self.peer_us and self.floor_us and self.distance):
            return None
        ratio = self.peer_us.p50 / self.floor_us.p50
        return ratio if ratio < self.must and self.distance.p50 >= 1 else None

    @property
    def met_aim(self) -> bool | None:
        """By the median; None where nothing was hoped for."""
        if self.aim is not None and self.distance is not None:
            return self.distance.p50 <= self.aim
        return None if self.aim_us is None else self.us.p50 <= self.aim_us


class Gauges(msgspec.Struct, frozen=True, kw_only=True):
    """What one core can do: the best that was seen.

    Args:
        read_gb_s: GB/s by the bytes that are read over and over.
        copy_gb_s: GB/s read and written, in memory.
        multiply_gflop_s: float32 multiply-adds in registers, two operations each.
        dot_gop_s: int8 multiply-adds in registers, two operations each.
    """

    read_gb_s: dict[int, float]
    copy_gb_s: float
    multiply_gflop_s: float
    dot_gop_s: float

    def best(self, other: Gauges) -> Gauges:
        """The better of two looks at the same machine, number by number."""
        return Gauges(
            read_gb_s={n: max(self.read_gb_s[n], other.read_gb_s[n]) for n in self.read_gb_s},
            copy_gb_s=max(self.copy_gb_s, other.copy_gb_s),
            multiply_gflop_s=max(self.multiply_gflop_s, other.multiply_gflop_s),
            dot_gop_s=max(self.dot_gop_s, other.dot_gop_s),
        )


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one benchmark; what it does not measure is left out.

    Args:
        machine: versions and the load average at the beginning among it.
        instruction_set: of our kernels.
        commit: of the checkout.
        load_after: the load average at the end.
        seconds: that the run took.
        rounds: measured.
        verdicts: one per claim.
        empty_call_us: what Python takes to call something that does nothing: part of every time.
        gauges: what the machine can do.
        caches: bytes of the data caches by name.
        timings: every candidate.
    """

    machine: Machine
    instruction_set: str
    commit: str
    load_after: float
    seconds: float
    rounds: int
    verdicts: list[Verdict]
    empty_call_us: Spread | None = None
    gauges: Gauges | None = None
    caches: dict[str, int] = {}
    timings: list[Timing] = []


def spread_of(values: NDArray[np.float64]) -> Spread:
    """Over the rounds."""
    return Spread(*(float(value) for value in np.percentile(values, (10, 50, 90))))


def peer_versions() -> dict[str, str]:
    """Of the alternatives that are installed."""
    found = {}
    for name in PEERS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def read_commit() -> str:
    """Of the checkout; marked where files differ from it. Empty outside of one."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=7", "--exclude=*"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
        )
    except OSError:  # no git
        return ""
    return done.stdout.strip()


def read_caches() -> dict[str, int]:
    """Bytes of the first core's data caches by name, as Linux tells them."""
    caches = {}
    for cache in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        if (cache / "type").read_text().strip() != "Instruction":
            size = (cache / "size").read_text().strip()  # "1024K"
            caches[f"L{(cache / 'level').read_text().strip()}"] = int(size.rstrip("K")) << 10
    return caches


def write_report(report: Report, path: Path) -> None:
    """Indented, to be read by people too."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
