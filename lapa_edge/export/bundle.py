"""A finished stage-3 agent to the bundle a robot runs: graphs, native weights, tokenizer.

The bundle is built beside its place, compared with the agent, and only then moved there. A bundle
with a ``parity.json`` has passed; a failed export leaves what was there before.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec
import torch
from safetensors.torch import save

from lapa_edge.artifact import MANIFEST, Bundle, write_bundle
from lapa_edge.errors import BundleError, DataError
from lapa_edge.export.calibration import Calibration, calibrate_head
from lapa_edge.export.graphs import export_graphs
from lapa_edge.export.observations import Observations
from lapa_edge.export.parity import ParityReport
from lapa_edge.export.reference import build_reference
from lapa_edge.export.verification import record_verification, verify
from lapa_edge.model.agent import Agent
from lapa_edge.train.actions import ActionsConfig


def export_bundle(
    config: ActionsConfig,
    agent: Agent,
    root: Path,
    provenance: Mapping[str, str],
    calibration: Calibration | None = None,
) -> Bundle:
    """Write the bundle of `agent` at `root`, unchecked: it carries no ``parity.json`` yet.

    Args:
        config: the run's config, whose spec and tokenizer travel in the bundle.
        agent: on any device, in any mode; it is not changed.
        root: the bundle's directory; a bundle that is already there is replaced in one rename.
        provenance: free words about where the weights came from.
        calibration: of the head; without it, the bundle's head does not run in int8.

    Raises:
        ConfigError: agent and config do not fit each other.
        DataError: a weight is NaN or infinite.
        BundleError: `root` exists and is no bundle, or the disk refuses.
    """
    return write_bundle(root, config.spec, bundle_files(config, agent, calibration), provenance)


def bundle_files(
    config: ActionsConfig, agent: Agent, calibration: Calibration | None = None
) -> dict[str, bytes]:
    """The files of `export_bundle`, by name; arguments and errors as there."""
    check_finite(agent)
    return {
        **export_graphs(agent, config.spec),
        "weights.safetensors": native_weights(agent, calibration or {}),
        "tokenizer.json": msgspec.json.encode(config.tokenizer),
    }


def export_checked_bundle(
    config: ActionsConfig,
    agent: Agent,
    root: Path,
    provenance: Mapping[str, str],
    observations: Observations,
) -> tuple[Bundle, ParityReport]:
    """Export, compare with the agent on `observations`, and publish at `root` only what passed.

    Raises:
        BundleError: parity failed; `root` is as it was.
    """
    check_place(root)
    root.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{root.name}.export.", dir=root.parent))
    try:
        calibration = calibrate_head(config, agent, observations)
        candidate = export_bundle(config, agent, staging / "bundle", provenance, calibration)
        reference = build_reference(config, agent, observations)
        report = verify(candidate, reference)
        checked = record_verification(candidate, report, reference)
        files = {name: checked.path(name).read_bytes() for name in checked.manifest.files}
        return write_bundle(root, config.spec, files, provenance), report
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def check_place(root: Path) -> None:
    """Raise `BundleError` where `root` holds something that is no bundle.

    Asked before the work, so that a mistyped ``--out`` costs no export.
    """
    if root.exists() and not (root / MANIFEST).is_file():
        raise BundleError(f"bundle {root}", "exists and is not a bundle", "choose another --out")


def check_finite(agent: Agent) -> None:
    """Raise `DataError` for the first weight that is NaN or infinite: training went astray."""
    for name, tensor in agent.state_dict().items():
        if not bool(tensor.isfinite().all()):
            fix = "train again with a lower learning rate"
            raise DataError(f"weights {name}", "expected finite numbers, got NaN or infinity", fix)


def native_weights(agent: Agent, calibration: Calibration) -> bytes:
    """``weights.safetensors``: ``action_head.*`` for the kernels and, with a plan, ``codebook``.

    ``action_head.calibration.*`` holds `calibration`, by layer; ``action_bins.*`` the bins of a
    head that has any.
    """
    tensors = {
        f"action_head.{name}": tensor.detach().cpu().float().contiguous()
        for name, tensor in agent.head.state_dict().items()
    }
    for layer, largest in calibration.items():
        tensors[f"action_head.calibration.{layer}"] = torch.from_numpy(largest)
    if agent.bins is not None:
        tensors["action_bins.means"] = agent.bins.means.detach().cpu().float().contiguous()
        tensors["action_bins.count"] = agent.bins.count.detach().cpu().contiguous()
    if agent.instructed.policy.n:
        tensors["codebook"] = agent.codebook.detach().cpu().float().contiguous()
    data: bytes = save(tensors)
    return data
