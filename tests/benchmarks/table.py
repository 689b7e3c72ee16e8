"""Draw what kernels.py and control_loop.py measured: Markdown and a picture.

python tests/benchmarks/table.py kernels.json
python tests/benchmarks/table.py kernels.json loop.json --update docs/kernels.md
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import tyro
from flags import STOPPED

from lapa_edge.cli.command import run_command
from lapa_edge.errors import ConfigError

DESCRIPTION = """Draw the tables of one or more benchmark reports, and a picture."""

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


@dataclass(frozen=True)
class TableFlags:
    """Flags of table.py."""

    reports: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """JSON files, as the benchmarks write them; drawn one after another."""
    png: Path | None = None
    """Also draw the claims and the read bandwidth of the first kernels.py report here."""
    update: Path | None = None
    """Put the tables between the two marker comments of this Markdown file, not on stdout."""


def main() -> int:
    """Entry point."""
    return run_command(draw, TableFlags, "table.py", DESCRIPTION, stopped=STOPPED)


def draw(flags: TableFlags) -> None:
    """Read, draw, write."""
    from bench.loop_table import LoopReport, draw_loop
    from bench.report import Report
    from bench.tables import draw_report

    if not flags.reports:
        problem = "expected at least one JSON file of kernels.py or control_loop.py, got none"
        raise ConfigError("reports", problem)
    parts, kernels = [], []
    for path in flags.reports:
        report = read_report(path, Report, LoopReport)
        if isinstance(report, Report):
            kernels.append(report)
        parts.append(draw_report(report) if isinstance(report, Report) else draw_loop(report))
    tables = "\n\n".join(parts)
    if flags.update:
        if flags.png:
            where = os.path.relpath(flags.png, flags.update.parent)
            tables += (
                f"\n\n![Ratios to the alternatives and to the floors; read bandwidth]({where})"
            )
        flags.update.write_text(replace_measured(flags.update.read_text(), tables))
    else:
        print(tables)
    if flags.png:
        from bench.plot import draw_plot

        if not kernels:
            raise ConfigError("--png", "expected a report of kernels.py among the files")
        draw_plot(kernels[0], flags.png)


def read_report(path: Path, *kinds: Any) -> Any:
    """The file as the first of `kinds` whose fields it has.

    Raises:
        ConfigError: it is none of them.
    """
    problem = ""
    for kind in kinds:
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except msgspec.DecodeError as error:
            problem = problem or str(error)
    raise ConfigError(
        f"report {path}", problem, "expected what kernels.py or control_loop.py wrote"
    )


def replace_measured(text: str, tables: str) -> str:
    """`text` with `tables` between the markers.

    Raises:
        ConfigError: a marker is missing, or stands there twice.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ConfigError("--update", f"expected one {BEGIN} and one {END} in the file")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"


if __name__ == "__main__":
    raise SystemExit(main())
