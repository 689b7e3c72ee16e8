"""``lapa-eval BUNDLE`` as a user runs it: Meta-World in worker processes, and what is written."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from bundles import head_graph, tiny_files, tiny_spec
from clips import write_clips
from intervals import wilson_by_search
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load, save

from lapa_edge import _native
from lapa_edge.artifact import write_bundle
from lapa_edge.data.dataset import read_dataset
from lapa_edge.data.video import read_frames
from lapa_edge.evaluate.environments.metaworld import ROBOT
from lapa_edge.evaluate.evaluation import JobAnswer
from lapa_edge.evaluate.latents.pictures import CAPTION
from lapa_edge.evaluate.rollout import Episode
from lapa_edge.evaluate.video_grid import INSET, SIDE
from lapa_edge.train.codec import read_codec
from lapa_edge.train.frames import open_frames
from lapa_edge.train.latents import LatentsConfig, train_latents
from lapa_edge.train.loop import LoopConfig
from lapa_edge.train.presets import PRESETS
from lapa_edge.train.run_directory import RunDirectory

# Not importorskip: MuJoCo binds OpenGL at its first import, which must be MetaWorld's own.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("metaworld") is None,
        reason="META-WORLD IS NOT INSTALLED: nothing here was checked",
    ),
]
TASKS, EPISODES, FIRST = ("reach", "coffee-button"), 6, 1_000_000
LATENCY_S, LOOK_S, TICK_S = 0.1, 0.1, 1 / ROBOT.control_hz
COMMAND = "import sys; from lapa_edge.cli.evaluate import main; sys.exit(main())"


def write_forward_bundle(root: Path) -> Path:
    """A policy that reaches forward, and a little where its picture tells it to."""
    spec = tiny_spec(a=4, s=4, control_hz=ROBOT.control_hz, policy_hz=1 / LOOK_S)
    change = msgspec.structs.replace
    action = change(
        spec.action, names=ROBOT.action_names, units=ROBOT.action_units, kinds=ROBOT.kinds
    )
    spec = change(spec, action=action, state=change(spec.state, names=ROBOT.state_names))
    files = tiny_files(spec)
    weights = load(files["weights.safetensors"])
    forward = (np.array([0.0, 0.95, 0.0, 0.0]) - action.mean) / action.std
    weights["action_head.output.weight"] *= np.float32(0.1)
    weights["action_head.output.bias"] = np.tile(forward, action.chunk).astype(np.float32)
    head = {k.removeprefix("action_head."): v for k, v in weights.items() if k != "codebook"}
    files["weights.safetensors"] = save(weights)
    files["action_head.onnx"] = head_graph(head).SerializeToString()
    write_bundle(root, spec, files, {})
    return root


def write_stage1(root: Path) -> Path:
    """A latent action model of the bundle's two codes out of four, hardly trained."""
    preset = PRESETS["debug"].latents
    model = replace(preset, n=2, quantizer=replace(preset.quantizer, k=4))
    config = LatentsConfig(model=model, loop=LoopConfig(steps=2, batch=4))
    clips = read_dataset(write_clips(root.parent / "clips", 3, labelled=False))
    store = open_frames(clips, config.frame, root.parent / "cache")
    train_latents(config, store, clips.fps, RunDirectory(root))
    return root


def lapa_eval(folder: Path, *flags: str) -> None:
    """Run the command beside the bundle."""
    answer = subprocess.run(
        [sys.executable, "-c", COMMAND, "bundle", *flags],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr[-3000:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same evaluation by one process, in ``one``, and by two, in ``two``.

    The video of the second shows what a stage-1 run decodes of the policy's codes.
    """
    folder = tmp_path_factory.mktemp("evaluated")
    write_forward_bundle(folder / "bundle")
    write_stage1(folder / "latents")
    asked = ["--tasks", *TASKS, "--unseen", "coffee-button", "--episodes", str(EPISODES)]
    asked += ["--latency-s", str(LATENCY_S)]
    lapa_eval(folder, *asked, "--processes", "1", "--out", "one")
    lapa_eval(folder, *asked, "--processes", "2", "--out", "two", "--latents", "latents")
    return folder


def result_of(out: Path) -> dict[str, Any]:
    return json.loads((out / "report.json").read_text())["result"]


def episodes_of(out: Path, task: str) -> list[Episode]:
    """As the workers answered, in the order of their seeds."""
    answers = [msgspec.json.decode(path.read_bytes(), type=JobAnswer)
               for path in sorted((out / "rollouts").glob(f"{task}-*.json"))]  # fmt: skip
    return [episode for answer in answers for episode in answer.episodes]


def test_the_seeds_decide_the_outcomes_and_the_number_of_processes_nothing(folder: Path) -> None:
    assert result_of(folder / "one") == result_of(folder / "two")
    for task in TASKS:
        one, two = (episodes_of(folder / out, task) for out in ("one", "two"))
        assert one == two
        assert [episode.seed for episode in one] == list(range(FIRST, FIRST + EPISODES))
        assert len({episode.steps for episode in one}) > 1, "the scenes differ"


def test_success_is_counted_per_task_with_intervals_and_steps(folder: Path) -> None:
    result = result_of(folder / "one")
    assert result["tasks"].keys() == set(TASKS)
    solved: list[int] = []
    for task in TASKS:
        steps = [episode.steps for episode in episodes_of(folder / "one", task) if episode.success]
        row = result["tasks"][task]
        assert (row["successes"], row["episodes"]) == (len(steps), EPISODES)
        assert row["interval_95"] == pytest.approx(wilson_by_search(len(steps), EPISODES), abs=1e-4)
        assert row["mean_steps_to_success"] == pytest.approx(np.mean(steps))
        assert row["split"] == ("unseen" if task == "coffee-button" else "seen")
        solved += steps
    assert 0 < len(solved) < result["episodes"] == 2 * EPISODES, "some succeed and some do not"
    assert result["mean_success"] == pytest.approx(len(solved) / result["episodes"])
    assert result["steps_to_success"]["median"] == np.median(solved)
    assert result["splits"]["unseen"]["successes"] == result["tasks"]["coffee-button"]["successes"]


def test_a_latent_is_as_old_as_the_latency_and_then_ages_until_the_next(folder: Path) -> None:
    age = result_of(folder / "one")["latent_age_s"]
    ages = [a for task in TASKS for e in episodes_of(folder / "one", task) for a in e.latent_age_s]
    assert min(ages) == pytest.approx(LATENCY_S)
    assert age["max"] == pytest.approx(LATENCY_S + LOOK_S - TICK_S)
    assert age["mean"] == pytest.approx(np.mean(ages))


def test_the_robot_waits_for_its_first_latent_and_moves_smoothly_after(folder: Path) -> None:
    result = result_of(folder / "one")
    waits = round(LATENCY_S / TICK_S)
    assert all(row["stops"] == EPISODES * waits for row in result["tasks"].values())
    assert result["stops_by_reason"] == {
        "the policy has not looked yet": len(TASKS) * EPISODES * waits
    }
    jerks = [e.jerk for task in TASKS for e in episodes_of(folder / "one", task)]
    assert result["motion"]["jerk"] == pytest.approx(np.median(jerks))
    assert 0 < result["motion"]["jerk"] < 1e4
    assert result["torch_imported_by_runtime"] is False


def test_the_page_the_plots_and_the_videos_lie_beside_the_numbers(folder: Path) -> None:
    out = folder / "one"
    page = (out / "report.md").read_text()
    result = result_of(out)
    for task, row in result["tasks"].items():
        assert f"| {task} ({row['split']}) | {row['successes']}/{EPISODES} (" in page
    assert (out / "success.png").is_file() and (out / "ages.png").is_file()
    for task in TASKS:
        looks = len(episodes_of(out, task)[0].look_s)
        seen = list(read_frames(out / "rollouts" / f"{task}.mp4"))
        assert len(seen) == looks + 1, "a frame per look, and the last"


def test_the_grid_shows_what_was_seen_and_the_decoded_latent_in_its_corner(folder: Path) -> None:
    plain, decoded = (next(iter(read_frames(folder / out / "rollouts.mp4"))).astype(int)
                      for out in ("one", "two"))  # fmt: skip
    assert plain.shape == decoded.shape
    top, edge = 2 * CAPTION, SIDE - INSET - 4
    codec = read_codec(RunDirectory(folder / "latents"))
    for column, task in enumerate(TASKS):
        first = next(iter(read_frames(folder / "one" / "rollouts" / f"{task}.mp4")))
        seen = np.asarray(Image.fromarray(first).resize((SIDE, SIDE))).astype(int)
        tiles = [
            grid[top : top + SIDE, column * SIDE : (column + 1) * SIDE] for grid in (plain, decoded)
        ]
        assert np.abs(tiles[0] - seen).mean() < 4, "but for what the video's encoder lost"
        assert np.abs(tiles[1][:edge, :edge] - seen[:edge, :edge]).mean() < 4
        small = _native.resize_frame(first, codec.frame.height, codec.frame.width)
        codes = np.array(episodes_of(folder / "one", task)[0].codes[:1], np.int32)
        expected = Image.fromarray(codec.decode(small[None], codes)[0]).resize((INSET, INSET))
        corner = slice(edge, edge + INSET)
        inset, without = (blocks(tile[corner, corner]) for tile in reversed(tiles))
        assert np.abs(inset - blocks(np.asarray(expected))).mean() < 4
        assert np.abs(inset - without).mean() > 10


def blocks(picture: NDArray[np.integer]) -> NDArray[np.float64]:
    """The mean colours of 8 x 8 blocks, which a video's encoder keeps of mere noise."""
    side = len(picture) // 8
    return picture.reshape(side, 8, side, 8, 3).mean((1, 3))
