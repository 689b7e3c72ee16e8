"""``lapa-train actions --baseline``: the methods that latent actions are compared with."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lapa_edge.cli.stage_flags import PolicyFlags
from lapa_edge.errors import ConfigError

if TYPE_CHECKING:
    from lapa_edge.cli.train import Actions
    from lapa_edge.data.episode import Dataset

Baseline = Literal["scratch", "vpt", "unipi", "actionvla"]
# The runs below --out that lead to each.
RUNS_BEFORE: dict[Baseline, tuple[str, ...]] = {
    "scratch": (),
    "vpt": ("inverse_dynamics", "pseudo_labels", "pretraining"),
    "unipi": ("inverse_dynamics", "predictor"),
    "actionvla": ("pretraining",),
}


@dataclass(frozen=True)
class BaselineFlags(PolicyFlags):
    """What a baseline is told beside stage 3's own flags."""

    baseline: Baseline | None = None
    """In place of stages 1 and 2. scratch: nothing; vpt: pseudo-actions of the video, by an inverse
    dynamics of the demos; unipi: a predictor of frames and that inverse dynamics (its plans are
    played: lapa-eval --execution open-loop); actionvla: the video's true actions, the ceiling."""
    video: Path | None = None
    """vpt, unipi, actionvla: the video to pretrain on, of any layout that --data may have."""
    video_camera: str = ""
    """Which camera of the video; the first, unless given."""
    video_fps: float | None = None
    """Camera rate of the video in Hz, where its dataset does not tell it."""
    pretrain_steps: int = 600
    """vpt, unipi, actionvla: optimizer steps on the video."""
    inverse_steps: int = 600
    """vpt, unipi: optimizer steps of the inverse dynamics."""
    gap_s: float = 0.3
    """vpt, unipi: time between the two frames that the inverse dynamics sees, seconds."""


def check_without_baseline(flags: BaselineFlags) -> None:
    """Raise `ConfigError` for a flag that counts beside ``--baseline`` alone."""
    plain = {field.name: field.default for field in fields(BaselineFlags)}
    for name in BaselineFlags.__annotations__:
        if getattr(flags, name) != plain[name]:
            flag = f"--{name.replace('_', '-')}"
            raise ConfigError(flag, "counts beside --baseline alone", "leave it out")


def train_baseline(flags: Actions) -> None:
    """Train one baseline; the runs that lead to it lie below ``--out``."""
    from lapa_edge.train.demo_spec import timing_of
    from lapa_edge.train.methods import Material, MethodConfig, Places, train_at

    assert flags.baseline is not None
    if flags.latents or flags.policy:
        raise ConfigError(
            f"--baseline {flags.baseline}", "it has no use for --latents and --policy",
            "leave them out, or leave --baseline out",
        )  # fmt: skip
    name = f"--baseline {flags.baseline}"
    _refuse(
        name,
        "it has no codes",
        decoder=flags.decoder != "parallel",
        code_weight=flags.code_weight,
        latent_input=flags.latent_input != "both",
    )
    _refuse(name, "methods share the usual augmentation", colour=flags.colour, erase=flags.erase)
    if flags.baseline != "scratch":
        _refuse(name, "it is pretrained on video of one camera", cameras=flags.cameras)
    if flags.baseline == "unipi":
        _refuse(name, "it predicts patches", backbone=flags.has_backbone)
        _refuse(
            name,
            "its actions are read from frames",
            decoding=flags.decoding != "direct",
            look_state=flags.look_state,
        )
    if flags.baseline != "scratch" and flags.video is None:
        raise ConfigError(
            f"--baseline {flags.baseline}",
            "expected --video, what it is pretrained on, got none",
            "give a folder of videos or any other dataset",
        )
    _check_folder(flags.out, flags.baseline)
    demos = flags.read(flags.labelled_share)
    config = MethodConfig(
        preset=flags.preset,
        policy=flags.network(),
        seed=flags.seed,
        latent_steps=flags.inverse_steps,
        pretrain_steps=flags.pretrain_steps,
        action_steps=flags.steps,
        latent_batch=flags.batch,
        batch=flags.batch,
        learning_rate=flags.learning_rate,
        timing=timing_of(flags.policy_hz, flags.max_latent_age_s, flags.blend_s),
        chunk=flags.chunk,
        gap_s=(flags.gap_s,),
        trunk_rate=flags.trunk_rate,
        head_inputs=flags.head_inputs,
        look_state=flags.look_state,
        decoding=flags.decoding,
        common=flags.loop(),
    )
    video = _video(flags, flags.video) if flags.video else demos
    places = Places(own=flags.out, shared=flags.out, actions=flags.out)
    train_at(flags.baseline, Material(video, demos, flags.frames), config, places)


def _check_folder(out: Path, baseline: Baseline) -> None:
    """Raise `ConfigError` where `out` holds another baseline, or a run that is none."""
    there = {name for names in RUNS_BEFORE.values() for name in names if (out / name).exists()}
    own = set(RUNS_BEFORE[baseline])
    if foreign := sorted(there - own):
        held = f"{' and '.join(foreign)} of another baseline"
    elif (out / "config.json").is_file() and not own <= there:
        held = "another run"
    else:
        return
    raise ConfigError(
        f"--out {out}", f"expected nothing or {baseline}, got {held}", "choose another"
    )


def _refuse(thing: str, problem: str, **given: object) -> None:
    """Raise `ConfigError` for the flags, by field name, that were given all the same."""
    if named := [f"--{name.replace('_', '-')}" for name, value in given.items() if value]:
        raise ConfigError(thing, problem, f"leave {' and '.join(named)} out")


def _video(flags: Actions, root: Path) -> Dataset:
    from lapa_edge.data.dataset import ReadOptions, read_dataset

    options = ReadOptions(
        split=flags.split,
        camera=flags.video_camera,
        fps=flags.video_fps,
        max_damaged=flags.max_damaged,
    )
    return read_dataset(root, options)
