"""One look for every progress bar: what, how far, how long so far, how long to go."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


def progress_bar(*extra: str, shown: bool = True) -> Progress:
    """A bar on stderr; `extra` are rich text columns such as ``{task.fields[metrics]}``.

    Where stderr is no terminal the bar is drawn once, at the end, so that logs stay short; where
    it is not `shown`, not at all.
    """
    return Progress(
        TextColumn("{task.description:<24}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        *(TextColumn(column) for column in extra),
        disable=not shown,
        console=Console(file=sys.stderr, width=None if sys.stderr.isatty() else 140),
    )
