"""A comparison's file: what is wrong is named by its key, and a used folder keeps its settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from lapa_edge.compare.config import claim, read_config
from lapa_edge.compare.outcomes import Condition
from lapa_edge.compare.variants import choose, variants
from lapa_edge.errors import ConfigError

RESULTS = Path(__file__).parents[2] / "docs" / "results"
CONFIGS = [Path(__file__).with_name("debug.toml"), *sorted(RESULTS.glob("*.toml"))]
GOOD = """
methods = ["scratch", "lapa"]
seeds = 2
[record]
environment = "metaworld"
tasks = ["door-close"]
videos_per_task = 4
demos_per_task = 2
[training]
preset = "debug"
[evaluation]
episodes = 3
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "compare.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_config_that_comes_along_is_valid(path: Path) -> None:
    assert variants(read_config(path))


def test_a_latent_takes_over_in_half_a_policy_period_unless_told(tmp_path: Path) -> None:
    def blend_s(timing: str) -> float:
        text = GOOD.replace('preset = "debug"', f'preset = "debug"\n{timing}')
        return read_config(write(tmp_path, text)).training.timing.blend_s

    assert blend_s("") == 0.05
    assert blend_s("timing = { policy_hz = 5.0, max_latent_age_s = 0.5 }") == 0.1
    assert blend_s("timing = { policy_hz = 5.0, max_latent_age_s = 0.5, blend_s = 0.0 }") == 0


def test_the_evaluation_takes_the_recorded_tasks_unless_told(tmp_path: Path) -> None:
    evaluation = read_config(write(tmp_path, GOOD)).evaluation
    assert evaluation
    assert (evaluation.environment, evaluation.tasks) == ("metaworld", ("door-close",))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("episodes = 3", "episods = 3", "evaluation: Object contains unknown field `episods`"),
        ("episodes = 3", 'episodes = "3"', "evaluation.episodes: Expected `int`, got `str`"),
        ("episodes = 3", "episodes = 0", "evaluation.episodes: expected 1 to 100, got 0"),
        ('preset = "debug"', "stepz = 1", "training.stepz: no such setting; one of: action_steps"),
        ('preset = "debug"', "seed = 1", "training.seed: no such setting"),
        ('preset = "debug"', "batch = 0", "batch: expected at least 1, got 0"),
        (
            'preset = "debug"',
            'policy = { cameras = ["top", "wrist"] }',
            "training.policy: methods share one camera",
        ),
        ('"lapa"]', '"lapaa"]', "methods: expected some of scratch, .*, got 'lapaa'"),
        ('"lapa"]', '"scratch"]', "methods: expected different names"),
        ("[record]", '[data]\nvideo = "v"\n[record]', "data: expected either"),
        ("[evaluation]\nepisodes = 3", "", "evaluation: expected .evaluation., .offline. or both"),
        ("[evaluation]\nepisodes = 3", "[offline]", "offline.data: expected a dataset"),
        ("seeds = 2", "seeds = 0", "seeds: expected 1 to 100"),
        ("seeds = 2", "seeds = ", "is no TOML"),
        ("[evaluation]", "[grid]\nn = []\nk = [8]\n[evaluation]", r"grid\.n \(how many\)"),
        (
            "[evaluation]",
            '[ablation]\nlatency_s = [0.1]\nmethods = ["vpt"]\n[evaluation]',
            "ablation.methods: vpt is not among methods",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_key(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError, match=complaint):
        read_config(write(tmp_path, GOOD.replace(old, new)))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml: cannot be read"):
        read_config(tmp_path / "gone.toml")


def test_a_used_folder_refuses_another_config_by_its_key(tmp_path: Path) -> None:
    out, config = tmp_path / "out", read_config(write(tmp_path, GOOD))
    with claim(out, config):
        pass
    for old, new, key in (
        ("videos_per_task = 4", "videos_per_task = 5", "record.videos_per_task"),
        ("[evaluation]", "latent_steps = 9\n[evaluation]", "training.latent_steps"),
        ("[evaluation]", '[offline]\ndata = "d"\n[evaluation]', "offline.data"),
    ):
        changed = read_config(write(tmp_path, GOOD.replace(old, new)))
        with (
            pytest.raises(ConfigError, match=f"was started with another .*{key}"),
            claim(out, changed),
        ):
            pass


def test_more_seeds_methods_and_ablations_go_on_in_the_same_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with claim(out, read_config(write(tmp_path, GOOD))):
        pass
    more = GOOD.replace("seeds = 2", "seeds = 5").replace('"lapa"]', '"lapa", "vpt"]')
    more += "[ablation]\nlatency_s = [0.0, 0.3]\n[grid]\nn = [1]\nk = [8]\n"
    with claim(out, read_config(write(tmp_path, more))):
        pass


def test_a_recordings_simulator_drives_too_and_may_move(tmp_path: Path) -> None:
    out, placed = tmp_path / "out", 'environment = "metaworld"\nsimulator = "{}"'
    for place in ("here", "there"):
        text = GOOD.replace('environment = "metaworld"', placed.format(place))
        config = read_config(write(tmp_path, text))
        assert config.evaluation
        assert config.evaluation.simulator == place
        with claim(out, config):
            pass


def test_latencies_that_round_alike_are_kept_apart() -> None:
    keys = {Condition("two-rate", s).key for s in (0.0001, 0.0004, 0.3)}
    assert keys == {"two-rate-0.1ms", "two-rate-0.4ms", "two-rate-300ms"}


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, GOOD))
    with pytest.raises(ConfigError, match="is no empty directory"), claim(tmp_path, config):
        pass


def test_two_comparisons_do_not_share_a_folder_at_once(tmp_path: Path) -> None:
    out, config = tmp_path / "out", read_config(write(tmp_path, GOOD))
    with (
        claim(out, config),
        pytest.raises(ConfigError, match="another process is writing"),
        claim(out, config),
    ):
        pass


def test_rows_are_methods_then_the_head_without_age_then_the_grid(tmp_path: Path) -> None:
    text = GOOD + "[ablation]\nlatency_s = [0.05, 0.3]\n[grid]\nn = [4, 16]\nk = [8]\n"
    scratch, lapa, blind, usual, long = variants(read_config(write(tmp_path, text)))
    assert [v.name for v in (blind, usual, long)] == ["lapa-no-age", "lapa-n4-k8", "lapa-n16-k8"]
    assert [c.key for c in scratch.conditions] == ["two-rate-50ms"]
    assert [c.key for c in lapa.conditions] == [
        "two-rate-50ms", "two-rate-300ms", "blocking-50ms", "blocking-300ms", "open-loop-50ms",
        "open-loop-300ms",
    ]  # fmt: skip
    assert [c.key for c in blind.conditions] == ["two-rate-50ms", "two-rate-300ms"]
    assert "latent_age" not in (blind.training.head_inputs or ())
    assert (usual.shares, long.shares) == (True, False), "other latent spaces share no stage 1"
    assert long.training.n == 16


def test_only_takes_rows_that_there_are(tmp_path: Path) -> None:
    every = variants(read_config(write(tmp_path, GOOD)))
    assert [v.name for v in choose(every, ["lapa"])] == ["lapa"]
    with pytest.raises(ConfigError, match="--only: expected some of scratch, lapa, got vpt"):
        choose(every, ["vpt"])
