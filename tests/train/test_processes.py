"""Trainings in two processes over gloo: one set of weights, also where one was killed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from clips import write_clips
from safetensors.torch import load_file
from torch import nn

from lapa_edge.errors import ConfigError
from lapa_edge.model.quantizer import Quantizer, QuantizerConfig
from lapa_edge.train.sharding import shard

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


STAGES = """
import sys
import torch
from lapa_edge.cli.train import main

torch.set_num_threads(1)
status = main()
torch.distributed.destroy_process_group()
sys.exit(status)
"""


def test_every_stage_trains_sharded_in_two_processes(tmp_path: Path) -> None:
    clips = write_clips(tmp_path / "clips", 4, labelled=True)
    (tmp_path / "train.py").write_text(STAGES)
    launch = ["-m", "accelerate.commands.launch", "--use_fsdp", "--num_processes=2", "train.py"]
    size = ["--preset", "debug", "--steps", "4", "--batch", "2", "--ema-decay", "0.9"]

    def run(*command: str) -> None:
        whole = [sys.executable, *command]
        answer = subprocess.run(
            whole, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
        )
        assert answer.returncode == 0, answer.stderr[-3000:]

    data = ["--data", str(clips)]
    run(*launch, "latents", *data, "--out", "latents", *size)
    label = "import sys; from lapa_edge.cli.label import main; sys.exit(main())"
    run("-c", label, *data, "--run", "latents", "--out", "labels")
    run(*launch, "policy", *data, "--labels", "labels", "--out", "policy", *size)
    stages = ["--latents", "latents", "--policy", "policy", "--trunk-rate", "0.3"]
    run(*launch, "actions", *data, *stages, "--out", "actions", *size)
    for stage in ("latents", "policy", "actions"):
        weights = load_file(tmp_path / stage / "model.safetensors")
        assert all(value.isfinite().all() for value in weights.values())


# Trains with whole weights and with sharded ones, undisturbed and with one process killed on the
# way by SIGKILL: in the first sitting one of the whole, in the second one of the sharded.
KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from torch import nn
from torch.nn import functional as F
from lapa_edge.model.blocks import Block
from lapa_edge.train import loop, run_directory

torch.set_num_threads(1)
out, sitting = Path(sys.argv[1]), int(sys.argv[2])
config = loop.LoopConfig(steps=9, batch=3, log_every=3, validate_every=4, warmup_steps=2,
                         checkpoint_every_s=0.0, ema_decay=0.9)

class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.input, self.block = nn.Linear(5, 8), Block(8, 2)
        self.output, self.frozen = nn.Linear(8, 3), nn.Linear(8, 8).requires_grad_(False)
        self.register_buffer("seen", torch.zeros(()))

    def look(self, x):
        return self.frozen(self.block(self.input(x)[:, None])[:, 0])

    def forward(self, x):
        self.seen += len(x) if self.training else 0
        return self.output(x)

def losses(kills):
    def loss(model, rng):
        x = torch.from_numpy(rng.standard_normal((config.batch, 5), dtype="float32"))
        if kills == sitting and os.environ["RANK"] == "1" and loop.unwrap(model).seen == 15:
            os.kill(os.getpid(), signal.SIGKILL)
        found = model(loop.unwrap(model).look(x))
        return F.mse_loss(found, x[:, :3].sin()), {}
    return loss

def measure(model):
    x = torch.linspace(-1, 1, 20).view(4, 5)
    with torch.no_grad():
        return {"good": -float(F.mse_loss(model(model.look(x)), x[:, :3].sin()))}

for name, kills in (("ddp_alone", 0), ("ddp_killed", 1), ("fsdp_alone", 0), ("fsdp_killed", 2)):
    # What `accelerate launch --use_fsdp` sets.
    os.environ["ACCELERATE_USE_FSDP"] = str("fsdp" in name)
    model = loop.train(name, Network, losses(kills), config, run_directory.RunDirectory(out / name),
                       config, "data", validation=loop.Validation(measure, "good"))
    measure(model)
torch.distributed.destroy_process_group()
"""


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The four runs of `KILLED`."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "train.py").write_text(KILLED)
    command = [sys.executable, *LAUNCHERS["torchrun"], str(folder / "train.py"), str(folder)]
    for sitting in (1, 2, 3):
        answer = subprocess.run(
            [*command, str(sitting)], cwd=folder, capture_output=True, text=True, timeout=200,
            check=False,
        )  # fmt: skip
        assert (answer.returncode == 0) == (sitting == 3), answer.stderr[-3000:]
        assert ("exitcode: -9" in answer.stderr) == (sitting < 3)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("launch", ["ddp", "fsdp"])
@pytest.mark.parametrize("kind", ["model", "best"])
def test_a_killed_process_changes_nothing(launch: str, kind: str, ended: Path) -> None:
    alone, killed = (
        load_file(ended / f"{launch}_{run}" / f"{kind}.safetensors") for run in ("alone", "killed")
    )
    for name, value in alone.items():
        assert value.equal(killed[name]), name


@pytest.mark.slow
def test_sharded_weights_learn_what_whole_ones_do_and_are_whole_at_the_end(ended: Path) -> None:
    whole, sharded = (
        load_file(ended / f"{launch}_alone" / "model.safetensors") for launch in ("ddp", "fsdp")
    )
    assert whole.keys() == sharded.keys()
    for name, value in whole.items():
        torch.testing.assert_close(sharded[name], value, rtol=1e-5, atol=1e-6)


def test_a_codebook_that_is_a_weight_is_not_sharded() -> None:
    model = Quantizer(QuantizerConfig(kind="nsvq"))
    with pytest.raises(ConfigError, match=r"--use_fsdp.*nsvq.*--quantizer ema or fsq"):
        shard(nn.ModuleDict({"quantizer": model}), 2, torch.device("cpu"))
