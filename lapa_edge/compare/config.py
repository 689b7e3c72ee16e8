"""What a comparison is: a TOML file in, checked settings out, its folder claimed.

methods = ["scratch", "lapa"]       rows of the table; more may be added later
seeds = 3                           trainings per method, seeds 0, 1, 2; more may be added later
[data] or [record]                  what there is to learn from
[training]                          fields of `train.methods.MethodConfig`
[evaluation] and / or [offline]     closed loop, and action errors on unseen episodes
[grid]                              also lapa in other latent spaces
[ablation]                          also at other latencies and executions
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from lapa_edge.data.files import held_alone
from lapa_edge.errors import ConfigError
from lapa_edge.evaluate.execution import ExecutionMode
from lapa_edge.evaluate.scenes import SCENES_PER_SEED
from lapa_edge.train.demo_spec import timing_of
from lapa_edge.train.methods import METHODS, MethodConfig
from lapa_edge.train.run_directory import RunDirectory


class DataConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[data]``: datasets that are there. Paths are seen from where the command runs.

    video: any layout that `data.dataset` reads. demos: the labelled ones; the same as `video`
    where it is empty. labelled_share: of the demos, (0, 1]; 0.1 takes every tenth.
    """

    video: str
    demos: str = ""
    labelled_share: float = 1.0
    split: Literal["train", "all"] = "train"
    camera: str = ""
    fps: float | None = None


class RecordConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[record]``: scripted experts, recorded first where they are not there yet.

    noise: of the push on the expert in every other video, a share of the action range.
    camera_hz: frames per second. simulator: its checkout, where it is no package.
    """

    environment: str
    tasks: tuple[str, ...]
    videos_per_task: int
    demos_per_task: int
    noise: float = 0.2
    camera_hz: float = 20.0
    simulator: str = ""


class EvaluationConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[evaluation]``: closed loop; environment and tasks are the recorded ones unless given.

    episodes: per task and seed. latency_s: simulated seconds from a frame to its latent.
    simulator: as in ``[record]``.
    """

    environment: str = ""
    tasks: tuple[str, ...] = ()
    episodes: int = 10
    latency_s: float = 0.05
    simulator: str = ""


class OfflineConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[offline]``: action errors on labelled episodes; of the video's dataset unless given.

    latency_s: age of the frame that the action goes by. every: looks at every so many frames.
    """

    data: str = ""
    split: Literal["val", "all"] = "val"
    latency_s: float = 0.0
    every: int = 1


class GridConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[grid]``: lapa with every number of codes n and codebook size k."""

    n: tuple[int, ...]
    k: tuple[int, ...]


class AblationConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[ablation]``: the same bundles, late and driven in other ways.

    methods: whose. without_age: also those trained without the latent's age, two-rate.
    """

    latency_s: tuple[float, ...]
    execution: tuple[ExecutionMode, ...] = ("two-rate", "blocking", "open-loop")
    methods: tuple[str, ...] = ("lapa",)
    without_age: bool = True


class CompareConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    methods: tuple[str, ...]
    seeds: int = 3
    training: MethodConfig = MethodConfig()
    data: DataConfig | None = None
    record: RecordConfig | None = None
    evaluation: EvaluationConfig | None = None
    offline: OfflineConfig | None = None
    grid: GridConfig | None = None
    ablation: AblationConfig | None = None


def read_config(path: Path) -> CompareConfig:
    """Read and check a comparison's file.

    Raises:
        ConfigError: no such file, no TOML, an unknown key, or a value that its key does not take;
            the key is named as ``section.key``.
    """
    thing = f"config {path}"
    try:
        raw = msgspec.toml.decode(path.read_bytes())
    except OSError as error:
        raise ConfigError(thing, f"cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ConfigError(thing, f"is no TOML ({error})") from error
    known = {field.name for field in fields(MethodConfig)} - {"seed"}
    for key in raw.get("training", {}):
        if key not in known:
            raise ConfigError(
                thing, f"training.{key}: no such setting", f"one of: {', '.join(sorted(known))}"
            )
    try:
        config = msgspec.convert(raw, CompareConfig)
    except msgspec.ValidationError as error:
        raise ConfigError(thing, _explain(str(error))) from error
    _check(thing, config)
    if "blend_s" not in raw.get("training", {}).get("timing", ["blend_s"]):
        timing = config.training.timing
        timing = timing_of(timing.policy_hz, timing.max_latent_age_s)
        config = msgspec.structs.replace(config, training=replace(config.training, timing=timing))
    return _filled(config)


@contextmanager
def claim(out: Path, config: CompareConfig) -> Iterator[None]:
    """Hold `out` for this comparison: a new folder, or one that the same comparison began.

    Raises:
        ConfigError: `out` holds something else, was begun with other settings (named), or another
            process is at it.
    """
    begun = (out / "config.json").is_file()
    if not begun and out.exists() and (not out.is_dir() or _holds_more_than_a_lock(out)):
        raise ConfigError(f"--out {out}", "is no empty directory", "choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    with held_alone(out, f"--out {out}"):
        RunDirectory(out).open(_decisive(config))
        yield


def _holds_more_than_a_lock(out: Path) -> bool:
    return any(path.name != ".lock" for path in out.iterdir())


def _decisive(config: CompareConfig) -> dict[str, Any]:
    """What must not change, by ``section.key``.

    Methods, seeds, grid and ablation only add; where a simulator lies decides nothing.
    """
    flat: dict[str, Any] = {}
    for section in ("training", "data", "record", "evaluation", "offline"):
        value = msgspec.to_builtins(getattr(config, section))
        if value is None:
            flat[section] = "absent"
        else:
            flat |= {f"{section}.{k}": one for k, one in value.items() if k != "simulator"}
    return flat


def _explain(message: str) -> str:
    """msgspec's ``Expected ... - at `$.a.b` `` with the key first, as the file spells it."""
    found = re.fullmatch(r"(.*) - at `\$\.(.*)`", message, re.DOTALL)
    what, where = found.groups() if found else (message, "")
    return f"{where}: {what}" if where else what


def _filled(config: CompareConfig) -> CompareConfig:
    """With environment and tasks of the evaluation taken from the recording where left out."""
    evaluation, record = config.evaluation, config.record
    if evaluation and record and not evaluation.environment:
        evaluation = msgspec.structs.replace(
            evaluation,
            environment=record.environment,
            tasks=evaluation.tasks or record.tasks,
            simulator=evaluation.simulator or record.simulator,
        )
    return msgspec.structs.replace(config, evaluation=evaluation)


def _check(thing: str, config: CompareConfig) -> None:
    def refuse(key: str, problem: str, fix: str = "") -> None:
        raise ConfigError(thing, f"{key}: {problem}", fix)

    ablated = config.ablation.methods if config.ablation else ()
    for key, methods in (("methods", config.methods), ("ablation.methods", ablated)):
        for method in methods:
            if method not in METHODS:
                refuse(key, f"expected some of {', '.join(METHODS)}, got {method!r}")
    if len(set(config.methods)) != len(config.methods) or not (config.methods or config.grid):
        refuse("methods", f"expected different names, at least one, got {list(config.methods)}")
    if missing := set(ablated) - set(config.methods):
        refuse("ablation.methods", f"{', '.join(sorted(missing))} is not among methods")
    if (config.data is None) == (config.record is None):
        refuse("data", "expected either [data] or [record]")
    trunk = config.training.policy
    if trunk and (len(trunk.cameras) > 1 or trunk.state_names):
        refuse("training.policy", "methods share one camera and video, which knows no state")
    if config.evaluation is None and config.offline is None:
        refuse("evaluation", "expected [evaluation], [offline] or both")
    if config.data and config.evaluation and not config.evaluation.environment:
        refuse("evaluation.environment", "expected a simulator, for [data] names none")
    if config.evaluation and config.evaluation.environment and not config.evaluation.tasks:
        refuse("evaluation.tasks", "expected tasks of the simulator that is named")
    if config.offline and config.record and not config.offline.data:
        refuse("offline.data", "expected a dataset, for recorded clips have no val split")
    if config.ablation and not config.evaluation:
        refuse("ablation", "expected [evaluation] beside it: it is about the closed loop")
    for key, value, least, most in _ranges(config):
        if not least <= value <= most:
            refuse(key, f"expected {least:g} to {most:g}, got {value:g}")


def _ranges(config: CompareConfig) -> Iterator[tuple[str, float, float, float]]:
    """Key, value, least and most."""
    yield "seeds", config.seeds, 1, 100
    if data := config.data:
        yield "data.labelled_share", data.labelled_share, 1e-6, 1
    if record := config.record:
        yield "record.tasks (how many)", len(record.tasks), 1, 50
        yield "record.videos_per_task", record.videos_per_task, 1, 10_000
        yield "record.demos_per_task", record.demos_per_task, 1, 10_000
        yield "record.noise", record.noise, 0, 2
        yield "record.camera_hz", record.camera_hz, 0.1, 1000
    if evaluation := config.evaluation:
        yield "evaluation.episodes", evaluation.episodes, 1, SCENES_PER_SEED
        yield "evaluation.latency_s", evaluation.latency_s, 0, 60
    if offline := config.offline:
        yield "offline.latency_s", offline.latency_s, 0, 60
        yield "offline.every", offline.every, 1, 1000
    if grid := config.grid:
        for key, values in (("grid.n", grid.n), ("grid.k", grid.k)):
            yield f"{key} (how many)", len(values), 1, 100
            yield from ((key, value, 1, 65_536) for value in values)
    if ablation := config.ablation:
        yield "ablation.latency_s (how many)", len(ablation.latency_s), 1, 100
        yield from (("ablation.latency_s", value, 0, 60) for value in ablation.latency_s)
