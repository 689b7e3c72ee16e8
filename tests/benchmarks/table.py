"""Draw what kernels.py measured: Markdown to stdout, a picture to a file, both into the docs.

    python tests/benchmarks/table.py kernels.json --png kernels.png
    python tests/benchmarks/table.py kernels.json --update docs/kernels.md
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from lapa_edge.cli.command import run_command
from lapa_edge.errors import ConfigError

DESCRIPTION = """Draw the tables of one or more benchmark reports, and a picture of the first."""

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


@dataclass(frozen=True)
class TableFlags:
    """Flags of table.py."""

    reports: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """JSON files, as the benchmarks write them; drawn one after another."""
    png: Path | None = None
    """Also draw the first report's claims and read bandwidth here."""
    update: Path | None = None
    """Put the tables between the two marker comments of this Markdown file, not on stdout."""


def main() -> int:
    """Entry point."""
    return run_command(draw, TableFlags, "table.py", DESCRIPTION)


def draw(flags: TableFlags) -> None:
    """Read, draw, write."""
    from bench.report import read_reports
    from bench.tables import draw_tables

    reports = read_reports(flags.reports)
    tables = draw_tables(reports)
    if flags.update:
        flags.update.write_text(replace_measured(flags.update.read_text(), tables))
    else:
        print(tables)
    if flags.png:
        from bench.plot import draw_plot

        draw_plot(reports[0], flags.png)


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
