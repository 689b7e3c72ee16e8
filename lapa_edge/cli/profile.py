"""``lapa-profile``: how long does a bundle take on this machine, and does it keep up?"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from lapa_edge.cli.command import run_command
from lapa_edge.errors import ConfigError
from lapa_edge.runtime.profiling_plan import Choice, ProfilePlan, check_ranges

if TYPE_CHECKING:
    from lapa_edge.runtime.profile.profiling import Profile
    from lapa_edge.runtime.profile.roofline import Ceiling

logger = logging.getLogger(__name__)

DESCRIPTION = """Measure how long each part of a bundle takes on this machine.

Part by part and interleaved, back to back; then at 10 to 200 Hz, where deadlines are judged; with a
cold start, the clocks before and after, an A/A run, and the distance to the roofline."""


@dataclass(frozen=True)
class ProfileFlags:
    """Flags of lapa-profile."""

    bundle: Annotated[Path, tyro.conf.Positional]
    """A bundle, as lapa-export writes it."""
    choice: Annotated[Choice, tyro.conf.arg(name="")] = field(default_factory=Choice)
    plan: Annotated[ProfilePlan, tyro.conf.arg(name="")] = field(default_factory=ProfilePlan)
    board: str = ""
    """The board whose roofline counts, by name or .toml file; unless given this machine's own,
    measured where the policy runs on the CPU."""
    json: Path | None = None
    """Also write everything to this file."""
    html: Path | None = None
    """Also write a page with plots."""


def main() -> int:
    """Entry point."""
    return run_command(profile_bundle, ProfileFlags, "lapa-profile", DESCRIPTION)


def profile_bundle(flags: ProfileFlags) -> None:
    """Measure, print the tables, and write the files that are asked for.

    Raises:
        ConfigError: a flag outside its range, or a file that cannot be written; nothing is opened.
    """
    check_ranges(flags.choice, flags.plan)
    for name, file in (("--json", flags.json), ("--html", flags.html)):
        if file:
            check_writable(name, file)
    import msgspec
    from rich.console import Console

    from lapa_edge.runtime.profile.page import render_page
    from lapa_edge.runtime.profile.profiling import profile

    ceiling = read_ceiling(flags.board, flags.choice.graph) if flags.board else None
    # No progress bar: redrawing it would take the interpreter from the calls being timed.
    paced = 2 * len(flags.plan.rates_hz) * flags.plan.paced_s
    logger.info("measuring %d rounds, then %.0f s of deadlines", flags.plan.repeats, paced)
    result = profile(flags.bundle, flags.choice, flags.plan, ceiling)
    print_profile(Console(width=None if sys.stdout.isatty() else 120), result)
    if flags.json:
        flags.json.write_bytes(msgspec.json.format(msgspec.json.encode(result)))
    if flags.html:
        flags.html.write_text(render_page(result))


def check_writable(flag: str, file: Path) -> None:
    """Raise `ConfigError` for a file that could not be written; one that is there is kept."""
    is_new = not (file.exists() or file.is_symlink())
    try:
        file.open("ab").close()
        if is_new:
            file.unlink()
    except OSError as error:
        raise ConfigError(
            flag,
            f"expected a file that can be written, got {file} ({error.strerror})",
            "make its folder, or choose another",
        ) from error


def read_ceiling(board: str, graph: str) -> Ceiling:
    """The ceiling of a board's recipe in the precision of `graph`, ``policy.int8`` and the like.

    Raises:
        ConfigError: no such recipe.
    """
    from lapa_edge.export.board import read_board
    from lapa_edge.runtime.profile.roofline import Ceiling, precision_of

    recipe, precision = read_board(board), precision_of(graph)
    tops = recipe.peak_tops.get(precision)
    return Ceiling(
        name=recipe.name,
        source=f"its recipe, {precision}",
        bandwidth_gb_s=recipe.bandwidth_gb_s,
        gflop_s=None if tops is None else 1e3 * tops,
        power_mode=recipe.power_mode,
    )


def print_profile(console: object, profile: Profile) -> None:
    """Every table on a rich console, and the sentences below them."""
    from rich.console import Console
    from rich.table import Table

    from lapa_edge.runtime.profile.tables import sentences, tables

    assert isinstance(console, Console)
    for rows in tables(profile):
        table = Table(title=rows.title, title_justify="left")
        for i, column in enumerate(rows.columns):
            is_number = i > 0 and column
            table.add_column(column, justify="right" if is_number else "left")
        for row in rows.rows:
            table.add_row(*row)
        console.print(table)
    for sentence in sentences(profile):
        console.print(sentence, highlight=False)
