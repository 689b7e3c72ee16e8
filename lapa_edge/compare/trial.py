"""One training of a comparison, in a process of its own: material in, a checked bundle out.

out/VARIANT/SEED/run/           the method's runs (see `train.methods`)
out/VARIANT/SEED/bundle/        what it came to, compared with its run
out/VARIANT/SEED/trained.json   how large it is
out/shared/SEED/                runs that several methods of a seed share
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from lapa_edge.artifact import load_bundle
from lapa_edge.compare.config import CompareConfig
from lapa_edge.compare.material import demos_folder, open_material
from lapa_edge.compare.results import trial_folder
from lapa_edge.compare.variants import Variant
from lapa_edge.errors import BundleError, LapaError
from lapa_edge.export.bundle import export_checked_bundle
from lapa_edge.export.observations import read_observations
from lapa_edge.train.actions import read_agent
from lapa_edge.train.methods import train_method
from lapa_edge.train.one_core import one_core, processor_seconds, processor_time
from lapa_edge.train.run_directory import write_text

PARITY_OBSERVATIONS = 24


class Trained(msgspec.Struct, frozen=True):
    """``trained.json``."""

    parameters: int
    cpu_s: float


@dataclass(frozen=True)
class Trial:
    """One variant with one seed."""

    config: CompareConfig
    out: Path
    variant: Variant
    seed: int

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return trial_folder(self.out, self.variant.name, self.seed)

    @property
    def bundle(self) -> Path:
        """What it comes to."""
        return self.folder / "bundle"

    @property
    def shared(self) -> Path | None:
        """Where the runs lie that it shares with others of its seed, if it does."""
        return self.out / "shared" / str(self.seed) if self.variant.shares else None

    @property
    def latents(self) -> Path | None:
        """Its stage-1 run, of a method that has one."""
        if self.variant.method != "lapa":
            return None
        return (self.shared or self.folder / "run") / "latents"

    @property
    def trained(self) -> bool:
        """Whether its bundle is there, whole."""
        try:
            return (self.folder / "trained.json").is_file() and bool(load_bundle(self.bundle))
        except BundleError:
            return False


def train_trial(trial: Trial) -> str:
    """Train and export, going on where it was stopped; returns the variant's name.

    Raises:
        LapaError: of the training or the export; says which variant and seed it was.
    """
    with one_core():
        try:
            _train(trial)
        except LapaError as error:
            thing, *rest = error.args
            name = f"{trial.variant.name}, seed {trial.seed}"
            raise type(error)(f"{name}: {thing}", *rest) from error
    return trial.variant.name


def _train(trial: Trial) -> None:
    config, method = trial.config, trial.variant.method
    material = open_material(config, trial.out, method)
    clock = trial.folder / "seconds.json"
    with processor_time(clock):
        run = train_method(
            method,
            material,
            replace(trial.variant.training, seed=trial.seed),
            trial.folder / "run",
            trial.shared,
        )
    settings, agent = read_agent(run)
    observations = read_observations(
        demos_folder(config, trial.out),
        settings.spec,
        PARITY_OBSERVATIONS,
        trial.seed,
        camera=config.data.camera if config.data else "",
        fps=config.data.fps if config.data else None,
    )
    provenance = {
        "made_by": "lapa-train compare",
        "variant": trial.variant.name,
        "seed": str(trial.seed),
    }
    export_checked_bundle(settings, agent, trial.bundle, provenance, observations)
    trained = Trained(sum(p.numel() for p in agent.parameters()), processor_seconds(clock))
    write_text(trial.folder / "trained.json", msgspec.json.encode(trained).decode())
