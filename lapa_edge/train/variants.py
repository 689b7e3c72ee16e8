"""The ways of training stage 1 that a sweep compares: the default, and one change at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from lapa_edge.errors import ConfigError
from lapa_edge.model.latent_action import LatentActionConfig
from lapa_edge.model.published import PublishedConfig
from lapa_edge.model.quantizer import QuantizerConfig
from lapa_edge.train.device import pick_device
from lapa_edge.train.features import FrozenFeatures
from lapa_edge.train.latents import LatentsConfig
from lapa_edge.train.loop import LoopConfig
from lapa_edge.train.presets import PRESETS, published_latents
from lapa_edge.train.sweep import Variant

# The published network at about the size of `tiny`: 8 x 8 patches, as it needs for n = 4.
PUBLISHED_TINY = PublishedConfig(
    image=96, patch=12, d=128, heads=4, head_dim=32, spatial_layers=2, temporal_layers=2
)
# Its own 1e-4 is made for 100k steps of batch 64; a short training needs more. Not tuned.
PUBLISHED_RATE = 3e-4


def default_variant(preset: str, batch: int, gap_s: tuple[float, ...]) -> Variant:
    """What ``lapa-train latents`` does unless told otherwise."""
    config = LatentsConfig(model=PRESETS[preset].latents, loop=LoopConfig(batch=batch), gap_s=gap_s)
    return Variant("default", config, "as `lapa-train latents` comes")


def named_variants(names: Iterable[str], default: Variant) -> tuple[Variant, ...]:
    """Variants by name.

    Raises:
        ConfigError: an unknown name, or one given twice.
    """
    names = tuple(names)
    for name in names:
        if name not in VARIANTS:
            raise ConfigError("variants", f"expected some of {', '.join(VARIANTS)}, got {name}")
        if names.count(name) > 1:
            raise ConfigError("variants", f"{name} is given twice")
    return tuple(VARIANTS[name](default) for name in names)


def features_variant(default: Variant, source: str) -> Variant:
    """The default with a second target: the frozen features of `source`."""
    width = FrozenFeatures.read(source, pick_device()).width
    config = replace(_model(default.config, feature_dim=width), features=source)
    return Variant("features", config, "also predicts an earlier run's frozen features")


def grid_variants(default: Variant, ns: Iterable[int], ks: Iterable[int]) -> tuple[Variant, ...]:
    """One variant per sequence length ``n`` and codebook size ``k``."""
    variants = []
    for n in ns:
        for k in ks:
            quantizer = replace(default.config.model.quantizer, k=k)
            config = _model(default.config, n=n, quantizer=quantizer)
            variants.append(Variant(f"n{n}-k{k}", config, f"{n} codes of {k}"))
    return tuple(variants)


def _model(config: LatentsConfig, **changes: object) -> LatentsConfig:
    model: LatentActionConfig = replace(config.model, **changes)  # type: ignore[arg-type]
    return replace(config, model=model)


def _published(default: Variant) -> Variant:
    loop = replace(default.config.loop, learning_rate=PUBLISHED_RATE)
    config = published_latents(4, 8, loop)
    config = replace(config, published=PUBLISHED_TINY, gap_s=default.config.gap_s)
    return Variant(
        "published",
        config,
        "network (1.5M parameters, 96 px), NSVQ, dead-code rule and loss as published",
    )


def _inverse_dynamics(default: Variant) -> Variant:
    says = "no video loss, actions of every training clip: the ceiling"
    return Variant("inverse-dynamics", default.config, says, labelled_share=1.0, supervised=True)


def _changed(name: str, says: str, **changes: object) -> Callable[[Variant], Variant]:
    def build(default: Variant) -> Variant:
        config: LatentsConfig = replace(default.config, **changes)  # type: ignore[arg-type]
        return Variant(name, config, says)

    return build


def _quantized(name: str, says: str, **changes: object) -> Callable[[Variant], Variant]:
    def build(default: Variant) -> Variant:
        quantizer = QuantizerConfig(k=default.config.model.quantizer.k, **changes)  # type: ignore[arg-type]
        return Variant(name, _model(default.config, quantizer=quantizer), says)

    return build


def _one_gap(default: Variant) -> Variant:
    config = replace(default.config, gap_s=(default.config.label_gap_s,))
    return Variant("one-gap", config, "the labelling gap alone")


def _joint_head(default: Variant) -> Variant:
    says = "joint action head on a tenth of the clips"
    return Variant("joint-head", default.config, says, labelled_share=0.1)


VARIANTS: dict[str, Callable[[Variant], Variant]] = {
    "default": lambda default: default,
    "published": _published,
    "inverse-dynamics": _inverse_dynamics,
    "joint-head": _joint_head,
    "nsvq": _quantized("nsvq", "NSVQ in place of EMA", kind="nsvq"),
    "fsq": _quantized("fsq", "FSQ in place of EMA", kind="fsq"),
    "early-codes": _quantized("early-codes", "codes from the first step on", start_after=0),
    "one-gap": _one_gap,
    "one-scale": _changed("one-scale", "loss at full resolution alone", scales=(1,)),
    "plain-pixels": _changed("plain-pixels", "no extra weight on motion", motion_weight=0.0),
    "no-augmentation": _changed("no-augmentation", "frames as they are", shift=0, light=0.0),
    "augmented-apart": _changed("augmented-apart", "each frame on its own", alike=False),
}
