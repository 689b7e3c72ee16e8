"""For which boards ``lapa-export --target trt`` would build here, asked of the exporter itself."""

from __future__ import annotations

from lapa_edge.doctor.finding import Finding
from lapa_edge.errors import LapaError
from lapa_edge.export.board import board_names, read_board
from lapa_edge.export.tensorrt_api import Builder, choose_capability, find_builder

SECTION = "targets"


def check_targets(builder: Builder | None = None) -> list[Finding]:
    """TensorRT, and each board that comes with the package; `builder` in place of this machine's.

    A board that cannot be built for here is no failure: it is built for on the board.
    """
    try:
        builder = builder or find_builder()
    except LapaError as error:
        _, problem, fix = error.args
        words = f"{problem}: no engine is built here; ONNX Runtime runs bundles without one"
        return [Finding(section=SECTION, name="tensorrt", status="warn", found=words, remedy=fix)]
    words = f"{builder.name} {builder.version}, CUDA {builder.cuda}"
    found = [Finding(section=SECTION, name="tensorrt", status="ok", found=words)]
    return found + [_board(name, builder) for name in board_names()]


def _board(name: str, builder: Builder) -> Finding:
    try:
        board = read_board(name)
    except LapaError as error:
        return Finding(
            section=SECTION,
            name=name,
            status="fail",
            found=str(error),
            remedy="mend the recipe, or install lapa-edge again",
        )
    precisions = ", ".join(board.precisions)
    try:
        capability, stands_in = choose_capability(board, builder)
    except LapaError as error:
        words = f"not here: {error.args[1]}; {error.args[2]}"
        return Finding(section=SECTION, name=name, status="info", found=words)
    if stands_in:
        words = f"proves that graphs build ({capability} stands in for {board.compute_capability})"
        return Finding(
            section=SECTION,
            name=name,
            status="info",
            found=f"{words}; the engines it loads are built on the board "
            f"({board.written_for}; {precisions})",
        )
    words = f"builds, compute capability {capability} ({precisions}); made for {board.written_for}"
    return Finding(section=SECTION, name=name, status="ok", found=words)
