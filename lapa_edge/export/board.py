"""Recipes per board: what an engine for it may contain, read from ``export/boards/*.toml``."""

from __future__ import annotations

from pathlib import Path

import msgspec

from lapa_edge.errors import ConfigError

# Beside this module in a wheel, at the repository's root in a checkout.
_PLACES = (Path(__file__).parent / "boards", Path(__file__).parents[2] / "export" / "boards")


class Board(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One machine an engine may be built for.

    Attributes:
        name: in words.
        compute_capability: of its GPU, ``"8.7"``.
        precisions: what its GPU computes, out of fp32, fp16, bf16, int8, fp8, fp4.
        memory_gb: of the board; `shared_memory` says whether the CPU has its share of it.
        bandwidth_gb_s: of that memory, by the vendor's data sheet.
        peak_tops: dense multiplications and additions in 1e12 per second, by precision; one that is
            not there is not known.
        system, tensorrt, cuda: what the recipe was written for; `tensorrt` is the oldest that will
            do where full TensorRT builds.
        power_mode: as ``nvpmodel -q`` names the one that these figures are of, the fastest; empty
            where there is no such thing.
        sources: where a figure was read, by field; or that it was not checked.
        rtx_stand_in: the capability that TensorRT for RTX builds for in its place, where it knows
            no engine for this GPU; such an engine proves that the graph builds, and runs elsewhere.
    """

    name: str
    compute_capability: str
    precisions: tuple[str, ...]
    memory_gb: float
    bandwidth_gb_s: float
    peak_tops: dict[str, float] = {}
    shared_memory: bool = False
    system: str
    tensorrt: str
    cuda: str
    power_mode: str = ""
    sources: dict[str, str] = {}
    rtx_stand_in: str | None = None

    def __post_init__(self) -> None:
        figures = {"memory_gb": self.memory_gb, "bandwidth_gb_s": self.bandwidth_gb_s}
        figures |= {f"peak_tops.{name}": value for name, value in self.peak_tops.items()}
        for name, value in figures.items():
            if not value > 0:
                raise ValueError(f"{name}: expected more than 0, got {value:g}")
        if odd := self.peak_tops.keys() - set(self.precisions):
            raise ValueError(f"peak_tops: {min(odd)} is none of its precisions")

    @property
    def written_for(self) -> str:
        """The system that brings what it needs, in words."""
        return f"{self.system}, TensorRT {self.tensorrt}, CUDA {self.cuda}"


def read_board(board: str) -> Board:
    """The recipe called `board`, or the one in the file `board` where it ends in ``.toml``.

    Raises:
        ConfigError: no such recipe, or one that does not parse.
    """
    path = Path(board) if board.endswith(".toml") else _folder() / f"{board}.toml"
    if not path.is_file():
        known = ", ".join(board_names())
        raise ConfigError(f"board {board!r}", "no such recipe", f"one of: {known}; or a .toml file")
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Board)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ConfigError(f"board {path}", str(error)) from error


def check_precision(board: Board, precision: str) -> None:
    """Raise `ConfigError` for a precision the board's GPU does not compute in.

    Asked before anything is exported, calibrated or built.
    """
    if precision in board.precisions:
        return
    instead = "int8" if precision in ("fp8", "fp4") and "int8" in board.precisions else "fp16"
    raise ConfigError(
        f"--precision {precision}",
        f"{board.name} (compute capability {board.compute_capability}) computes in "
        f"{', '.join(board.precisions)}",
        f"use --precision {instead}",
    )


def board_names() -> list[str]:
    """The recipes that come with the package."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def _folder() -> Path:
    for place in _PLACES:
        if place.is_dir():
            return place
    raise ConfigError("boards", f"no recipes in {_PLACES[0]}", "install lapa-edge again")
