"""A comparison's findings on disk: one file per training, read back as a whole.

out/VARIANT/SEED/result.json
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from lapa_edge.compare.outcomes import SUCCESS, Condition, Finding
from lapa_edge.compare.variants import Variant
from lapa_edge.train.run_directory import read_json, write_text


class Findings:
    """All trainings of a comparison that are done, in the order of its variants and seeds."""

    def __init__(self, every: Sequence[Finding]) -> None:
        self.every = tuple(every)

    @property
    def variants(self) -> list[str]:
        """Names, in order."""
        return list(dict.fromkeys(found.variant for found in self.every))

    def of(self, variant: str) -> list[Finding]:
        """The trainings of one variant, by seed."""
        return [found for found in self.every if found.variant == variant]

    def metrics(self) -> list[str]:
        """What was measured, success first."""
        names = dict.fromkeys(cell.metric for found in self.every for cell in found.cells)
        return sorted(names, key=lambda name: name != SUCCESS)

    def outcomes(
        self, variant: str, metric: str, condition: Condition | None = None
    ) -> dict[int, dict[str, list[float]]]:
        """By seed and task; without a condition, the first that the metric was measured in."""
        found = {}
        for one in self.of(variant):
            for cell in one.cells:
                if cell.metric == metric and condition in (None, cell.condition):
                    found[one.seed] = cell.outcomes
                    break
        return found

    def conditions(self, variant: str) -> list[Condition]:
        """In which the variant was driven, beyond the first."""
        seen = dict.fromkeys(
            cell.condition
            for found in self.of(variant)
            for cell in found.cells
            if cell.metric == SUCCESS and cell.condition
        )
        return list(seen)


def trial_folder(out: Path, variant: str, seed: int) -> Path:
    """Where one training and all that comes of it lies."""
    return out / variant / str(seed)


def write_finding(out: Path, finding: Finding) -> None:
    """Keep what a training came to; it is done now."""
    path = trial_folder(out, finding.variant, finding.seed) / "result.json"
    write_text(path, msgspec.json.format(msgspec.json.encode(finding)).decode())


def read_findings(out: Path, variants: Sequence[Variant]) -> Findings:
    """Everything that is done of these variants, seeds of earlier sittings included."""
    found = []
    for variant in variants:
        paths = (out / variant.name).glob("*/result.json")
        found += [
            read_json(path, Finding) for path in sorted(paths, key=lambda p: int(p.parent.name))
        ]
    return Findings(found)


def complete(out: Path, variant: Variant, seed: int) -> bool:
    """Whether this training is done, and driven in every condition that is asked for now."""
    path = trial_folder(out, variant.name, seed) / "result.json"
    if not path.is_file():
        return False
    known = {cell.condition for cell in read_json(path, Finding).cells}
    return known >= set(variant.conditions)
