"""Stage 1 in two processes over gloo: one codebook, one set of weights, one run directory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from clips import write_clips
from safetensors.torch import load_file

SCRIPT = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
from safetensors.torch import save_file
from lapa_edge.data.dataset import read_dataset
from lapa_edge.train import latents, loop, presets, run_directory
from lapa_edge.train.frames import open_frames

torch.set_num_threads(1)
folder, out, kind = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
model = presets.PRESETS["debug"].latents
model = replace(model, quantizer=replace(
    model.quantizer, kind=kind, start_after=4, restart_every=5, restart_share=0.9),
    action_dim=2)
config = latents.LatentsConfig(
    model=model, loop=loop.LoopConfig(steps=16, batch=4, log_every=4, validate_every=8))
dataset = read_dataset(folder)
store = open_frames(dataset, config.frame, folder.parent / "cache")
demos = latents.labelled_pairs(dataset.labelled, store, config.gap_s)
trained = latents.train_latents(
    config, store, dataset.fps, run_directory.RunDirectory(out), demos)
rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
weights = {k: v.contiguous() for k, v in trained.state_dict().items()}
save_file(weights, out / f"rank{rank}.safetensors")
if torch.distributed.is_initialized():
    torch.distributed.destroy_process_group()
"""

LAUNCHERS = {
    "torchrun": ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"],
    # What it calls multi_gpu is torchrun; without a GPU the processes meet over gloo.
    "accelerate": ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes=2"],
}


@pytest.mark.parametrize(("launcher", "kind"), [("torchrun", "ema"), ("accelerate", "nsvq")])
def test_two_processes_end_with_the_same_weights_and_codebook(
    launcher: str, kind: str, tmp_path: Path
) -> None:
    write_clips(tmp_path / "clips", 6, labelled=True)
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    out = tmp_path / "run"
    command = [sys.executable, *LAUNCHERS[launcher], str(script), str(tmp_path / "clips")]
    answer = subprocess.run(
        [*command, str(out), kind], cwd=tmp_path, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr[-3000:]
    one, other = (load_file(out / f"rank{rank}.safetensors") for rank in (0, 1))
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert value.equal(other[name]), name
    assert one["quantizer.step"] == 16
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [4, 8, 12, 16]
    # Codes began after 3 steps (a fifth of 16), the last look for dead ones was 10 steps later:
    # since then 3 steps x 2 processes x 4 pairs x 4 codes were counted.
    assert one["quantizer.hits"].sum() == 3 * 2 * 4 * 4
