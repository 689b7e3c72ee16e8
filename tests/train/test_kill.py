"""A training killed with SIGKILL, at moments of chance, ends with the weights of one left alone."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

from clips import write_clips
from safetensors.torch import load_file

SCRIPT = """
import sys
from pathlib import Path
import torch
from lapa_edge.data.dataset import read_dataset
from lapa_edge.train import latents, loop, presets, run_directory
from lapa_edge.train.frames import open_frames

torch.set_num_threads(1)
folder, out = Path(sys.argv[1]), Path(sys.argv[2])
config = latents.LatentsConfig(
    model=presets.PRESETS["debug"].latents, held_out=0.3,
    loop=loop.LoopConfig(
        steps=60, batch=2, log_every=7, validate_every=11, checkpoint_every_s=0.0))
dataset = read_dataset(folder)
store = open_frames(dataset, config.frame, folder.parent / "cache")
latents.train_latents(config, store, dataset.fps, run_directory.RunDirectory(out))
"""


def test_sigkill_at_any_moment_changes_nothing(tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "clips", 4, labelled=False)
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(clips)]
    subprocess.run([*command, str(tmp_path / "alone")], cwd=tmp_path, check=True, timeout=200,
                   capture_output=True)  # fmt: skip
    run, chance, killed = tmp_path / "killed", random.Random(0), 0
    while not (run / "model.safetensors").is_file():
        child = subprocess.Popen([*command, str(run)], cwd=tmp_path, stderr=subprocess.DEVNULL)
        before = _step_file_time(run)
        while killed < 3 and child.poll() is None and _step_file_time(run) == before:
            time.sleep(0.005)  # until this sitting has taken a step
        if killed < 3 and child.poll() is None:
            time.sleep(chance.uniform(0, 0.15))
            child.kill()
            killed += 1
        child.wait(timeout=200)
    assert killed == 3
    for name in ("model.safetensors", "best.safetensors"):
        expected, found = load_file(tmp_path / "alone" / name), load_file(run / name)
        assert all(value.equal(found[key]) for key, value in expected.items())
    assert (run / "metrics.jsonl").read_bytes() == (tmp_path / "alone/metrics.jsonl").read_bytes()


def _step_file_time(run: Path) -> float:
    try:
        return (run / "checkpoint" / "step.json").stat().st_mtime
    except OSError:
        return 0.0
