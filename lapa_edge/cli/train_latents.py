"""``lapa-train latents``: stage 1's flags, and how they become a training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lapa_edge.cli.stage_flags import StageFlags

if TYPE_CHECKING:
    from lapa_edge.data.episode import Dataset
    from lapa_edge.train.latents import LatentsConfig


@dataclass(frozen=True)
class Latents(StageFlags):
    """Stage 1: learn latent actions from video without actions."""

    data: Path | None = None  # type: ignore[assignment]  # an import needs none
    """Video: a folder of videos or of frames, LeRobot, RLDS, MCAP or rosbag2, Something-Something,
    or Language Table."""
    preset: Literal["debug", "tiny", "small", "base", "lapa"] = "tiny"  # type: ignore[assignment]
    """tiny for two CPU cores, small and base for a GPU, debug for a smoke test; lapa is the
    published network (344M parameters) with the published training settings, which override the
    flags of loss and augmentation: give --learning-rate 1e-4 --batch 64 --steps 100000 as
    published."""
    import_official: Path | None = None
    """A checkpoint of the published code (laq_openx.pt): the run is made of it, nothing is
    trained. --n and --k must be those it was trained with."""
    demos: Path | None = None
    """Labelled demos, if there are any yet: a joint action head draws the latents to actions."""
    demos_share: float = 1.0
    """Share of the labelled demos to use, (0, 1]; 0.1 takes every tenth."""
    demos_camera: str = ""
    """Which camera of the demos; the first, unless given."""
    demos_fps: float | None = None
    """Camera rate of the demos in Hz, where their dataset does not tell it."""
    action_weight: float = 25.0
    """With --demos: weight of the joint action head's loss beside that of the pixels."""
    gap_s: tuple[float, ...] = (0.2, 0.3, 0.4)
    """Times between the two frames of a pair, seconds; the middle one is used for labels."""
    gap_frames: tuple[int, ...] = ()
    """The same in frames, for clips of one frame rate; overrides --gap-s."""
    short_clips: Literal["truncate", "skip"] = "truncate"
    """A gap past a clip's end stops at its last frame, as in the paper, or is left out."""
    n: int = 4
    """Codes per latent action; 1, 2, 4 and 16 are tested; 1, 2 or 4 with lapa."""
    k: int = 8
    """Codebook size, 8 to 1024."""
    quantizer: Literal["ema", "nsvq", "fsq"] = "ema"
    """ema: averaged codebook; nsvq: the paper's noise substitution; fsq: a fixed grid."""
    motion_weight: float = 20.0
    """Extra loss weight of pixels that move; 0 is plain MSE."""
    scales: tuple[int, ...] = (1, 4, 16)
    """Pixels over which the loss averages frames; 1 alone is plain MSE."""
    shift: int = 4
    """Augmentation: largest random shift, pixels; 0 is none."""
    light: float = 0.1
    """Augmentation: largest relative change of light; 0 is none."""
    alike: bool = True
    """Augment both frames of a pair alike."""
    features: str = ""
    """Target in a frozen feature space: an earlier stage-1 run, or an ONNX vision model."""
    feature_weight: float = 1.0
    """Weight of the loss on the frozen features."""
    held_out: float = 0.05
    """Share of the clips kept for validation, 0 to 0.5; best.safetensors does best on them."""


def train_latents(flags: Latents) -> None:
    """Train stage 1, or make a run of a published checkpoint."""
    from lapa_edge.errors import ConfigError
    from lapa_edge.train import latents
    from lapa_edge.train.run_directory import RunDirectory

    if flags.import_official:
        _import(flags, flags.import_official)
        return
    if flags.data is None:
        raise ConfigError("lapa-train latents", "expected --data, or --import-official")
    dataset = flags.read()
    config = _config(flags, _gaps(flags, dataset))
    labelled = None
    if flags.demos:
        demos = _demos(flags)
        store = flags.frames(demos, config.frame)
        labelled = latents.labelled_pairs(demos, store, config.gap_s)
        action_dim = labelled.pairs.action_dim
        config = replace(config, model=replace(config.model, action_dim=action_dim))
    store = flags.frames(dataset, config.frame)
    latents.train_latents(config, store, dataset.fps, RunDirectory(flags.out), labelled)


def _demos(flags: Latents) -> Dataset:
    from lapa_edge.data.dataset import ReadOptions, read_dataset

    assert flags.demos is not None
    options = ReadOptions(
        labelled_share=flags.demos_share,
        camera=flags.demos_camera,
        fps=flags.demos_fps,
        max_damaged=flags.max_damaged,
    )
    return read_dataset(flags.demos, options).labelled


def _gaps(flags: Latents, dataset: Dataset) -> tuple[float, ...]:
    """The gaps in seconds, whichever way they were given."""
    from lapa_edge.errors import ConfigError

    if not flags.gap_frames:
        return flags.gap_s
    rates = sorted(dataset.fps.values())
    if rates[-1] > 1.01 * rates[0]:  # those of bags are measured
        raise ConfigError(
            "gap_frames",
            f"expected clips of one frame rate, got {rates[0]:g} to {rates[-1]:g} Hz",
            "give --gap-s",
        )
    return tuple(frames / rates[len(rates) // 2] for frames in flags.gap_frames)


def _config(flags: Latents, gap_s: tuple[float, ...]) -> LatentsConfig:
    from lapa_edge.errors import ConfigError
    from lapa_edge.model.quantizer import QuantizerConfig
    from lapa_edge.train.device import pick_device
    from lapa_edge.train.features import FrozenFeatures
    from lapa_edge.train.latents import LatentsConfig
    from lapa_edge.train.presets import PRESETS, published_latents

    if flags.preset == "lapa":
        if flags.features or flags.quantizer != Latents.quantizer:
            raise ConfigError(
                "preset lapa",
                "the published network has its own quantizer and no head for features",
                "leave --features and --quantizer out, or take another preset",
            )
        config = published_latents(flags.n, flags.k, flags.loop())
        return replace(config, gap_s=gap_s, short_clips=flags.short_clips, held_out=flags.held_out)
    width = FrozenFeatures.read(flags.features, pick_device()).width if flags.features else 0
    return LatentsConfig(
        model=replace(
            PRESETS[flags.preset].latents,
            n=flags.n,
            quantizer=QuantizerConfig(kind=flags.quantizer, k=flags.k),
            feature_dim=width,
        ),
        loop=flags.loop(),
        gap_s=gap_s,
        short_clips=flags.short_clips,
        shift=flags.shift,
        light=flags.light,
        alike=flags.alike,
        action_weight=flags.action_weight,
        motion_weight=flags.motion_weight,
        scales=flags.scales,
        features=flags.features,
        feature_weight=flags.feature_weight,
        held_out=flags.held_out,
    )


def _import(flags: Latents, checkpoint: Path) -> None:
    from lapa_edge.errors import ConfigError
    from lapa_edge.model.official_weights import read_published_model
    from lapa_edge.train.presets import published_latents
    from lapa_edge.train.run_directory import RunDirectory

    if flags.gap_frames:
        raise ConfigError("gap_frames", "an import knows no frame rate", "give --gap-s")
    config = replace(published_latents(flags.n, flags.k, flags.loop()), gap_s=flags.gap_s)
    assert config.published is not None
    model = read_published_model(checkpoint, config.published)
    run = RunDirectory(flags.out)
    run.open(config)
    run.finish(model)
