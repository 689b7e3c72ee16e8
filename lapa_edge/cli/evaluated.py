"""What ``lapa-eval`` is given: a bundle, or a stage-3 run that torch drives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from lapa_edge.errors import ConfigError

if TYPE_CHECKING:
    from lapa_edge.evaluate.evaluation import JobAnswer, RolloutJob
    from lapa_edge.evaluate.latent_codec import LatentCodec
    from lapa_edge.runtime.backends.names import Backend, Device, HeadBackend
    from lapa_edge.runtime.session import Session
    from lapa_edge.spec import PolicySpec


@dataclass(frozen=True)
class Evaluated:
    """A policy under evaluation.

    Attributes:
        path: the bundle's directory, or the run's.
        is_run: whether it is a run.
        spec: what it reads and writes.
        fingerprint: of what it is made of.
    """

    path: Path
    is_run: bool
    spec: PolicySpec
    fingerprint: str

    @property
    def bundle(self) -> str:
        """As `RolloutJob` has it."""
        return "" if self.is_run else str(self.path)

    @property
    def checkpoint(self) -> str:
        """As `RolloutJob` has it."""
        return str(self.path) if self.is_run else ""

    @property
    def worker(self) -> Callable[[RolloutJob], JobAnswer]:
        """What runs a job with it."""
        if self.is_run:
            from lapa_edge.train.checkpoint_session import run_checkpoint_job

            return run_checkpoint_job
        from lapa_edge.evaluate.evaluation import run_job

        return run_job

    def open(
        self,
        instruction: str,
        head: HeadBackend,
        backend: Backend = "onnx",
        device: Device | None = None,
        graph: str = "policy",
    ) -> Session:
        """A session of it in this process."""
        if self.is_run:
            from lapa_edge.train.checkpoint_session import open_run

            return open_run(self.path, instruction)
        from lapa_edge.artifact import load_bundle
        from lapa_edge.runtime.session import Session

        bundle = load_bundle(self.path)
        return Session(bundle, instruction, head, backend=backend, device=device, graph=graph)


def read_evaluated(
    path: Path,
    head: HeadBackend,
    backend: Backend = "onnx",
    device: Device | None = None,
    graph: str = "policy",
) -> Evaluated:
    """Read what is evaluated.

    Raises:
        BundleError: neither a whole bundle nor a run.
        ConfigError: what runs a bundle's networks, and not a run's.
    """
    from lapa_edge.artifact import MANIFEST, load_bundle
    from lapa_edge.runtime.backends.opening import engine_targets

    if not (path / "config.json").is_file() or (path / MANIFEST).is_file():
        bundle = load_bundle(path)
        # Missed now rather than in every worker.
        _ = bundle.path(f"{graph}.onnx") if backend == "onnx" else engine_targets(bundle, graph)
        fingerprint = sha256((bundle.root / MANIFEST).read_bytes()).hexdigest()
        return Evaluated(path, False, bundle.spec, fingerprint)
    if head != "native":
        raise ConfigError("--head", f"{path} is a run, whose head is torch's", "leave it out")
    if (backend, device, graph) != ("onnx", None, "policy"):
        problem = f"{path} is a run, whose policy is torch's"
        raise ConfigError("--backend, --device and --graph", problem, "leave them out")
    from lapa_edge.train.actions import read_agent
    from lapa_edge.train.run_directory import RunDirectory

    run = RunDirectory(path)
    config, _ = read_agent(run)
    return Evaluated(path, True, config.spec, run.fingerprint())


def read_stage1(latents: Path, spec: PolicySpec) -> LatentCodec:
    """The latent action model of a stage-1 run.

    Raises:
        ConfigError: it has another latent space than the policy.
    """
    from lapa_edge.train.codec import read_codec
    from lapa_edge.train.run_directory import RunDirectory

    codec = read_codec(RunDirectory(latents))
    own, other = spec.latent, codec.latent
    if own is None or (own.n, own.k) != (other.n, other.k):
        wanted = f"{own.n} codes out of {own.k}" if own else "no codes"
        raise ConfigError(
            f"--latents {latents}",
            f"the policy says {wanted}, the model has {other.n} out of {other.k}",
            "give the stage-1 run that the policy was trained with",
        )
    return codec
