"""Frozen features as a target: an ONNX network's, an earlier run's, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from clips import write_clips
from onnx import TensorProto, helper, numpy_helper

from lapa_edge.data.dataset import read_dataset
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.spec import FrameSpec
from lapa_edge.train.features import IMAGENET, FrozenFeatures
from lapa_edge.train.frames import open_frames
from lapa_edge.train.latents import LatentsConfig, read_latent_model, train_latents
from lapa_edge.train.loop import LoopConfig
from lapa_edge.train.presets import PRESETS, published_latents
from lapa_edge.train.run_directory import RunDirectory

CPU = torch.device("cpu")
FRAME = FrameSpec(height=16, width=16)


def write_patches(path: Path, patch: int = 4, width: int = 3, rank: int = 3) -> Path:
    """An ONNX graph of one convolution: 16 x 16 pixels to (16 / patch)^2 tokens."""
    weight = np.random.default_rng(0).random((width, 3, patch, patch), np.float32)
    shape = np.array([-1, width, (16 // patch) ** 2][:rank])
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["grid"], strides=[patch, patch]),
        helper.make_node("Reshape", ["grid", "shape"], ["flat"]),
        helper.make_node("Transpose", ["flat"], ["tokens"], perm=[0, 2, 1]),
    ]
    graph = helper.make_graph(
        nodes,
        "patches",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["b", 3, 16, 16])],
        [helper.make_tensor_value_info("tokens", TensorProto.FLOAT, ["b", None, width])],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(shape, "shape")],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), str(path))
    return path


def test_an_onnx_network_sees_imagenet_normalisation(tmp_path: Path) -> None:
    features = FrozenFeatures.read(str(write_patches(tmp_path / "f.onnx")), CPU)
    image = torch.rand(2, 3, 16, 16)
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in (FRAME.mean, FRAME.std))
    found = features.of((image - mean) / std, FRAME, tokens=16)
    weight = torch.from_numpy(np.random.default_rng(0).random((3, 3, 4, 4), np.float32))
    shift, scale = (torch.tensor(x).view(1, 3, 1, 1) for x in (IMAGENET.mean, IMAGENET.std))
    grid = torch.nn.functional.conv2d((image - shift) / scale, weight, stride=4)
    expected = torch.nn.functional.layer_norm(grid.flatten(2).transpose(1, 2), (3,))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_finer_features_are_pooled_to_the_decoders_grid(tmp_path: Path) -> None:
    features = FrozenFeatures.read(str(write_patches(tmp_path / "f.onnx")), CPU)
    image = torch.randn(1, 3, 16, 16)
    fine, coarse = features.of(image, FRAME, tokens=16), features.of(image, FRAME, tokens=4)
    torch.testing.assert_close(coarse[0, 0], fine[0, [0, 1, 4, 5]].mean(0))
    with pytest.raises(ConfigError, match="square grids of tokens, got 16 for 6 patches"):
        features.of(image, FRAME, tokens=6)


def test_files_that_are_no_feature_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        FrozenFeatures.read(str(tmp_path / "none.onnx"), CPU)
    (tmp_path / "text.onnx").write_text("words")
    with pytest.raises(DataError, match="ONNX Runtime refuses it"):
        FrozenFeatures.read(str(tmp_path / "text.onnx"), CPU)
    with pytest.raises(DataError, match=r"no config\.json"):
        FrozenFeatures.read(str(tmp_path), CPU)


def test_stage_1_learns_to_predict_an_earlier_runs_features(tmp_path: Path) -> None:
    dataset = read_dataset(write_clips(tmp_path / "clips", 4, labelled=False))
    loop = LoopConfig(steps=8, batch=4, log_every=1, warmup_steps=1, learning_rate=3e-3)
    config = LatentsConfig(model=PRESETS["debug"].latents, loop=loop)
    store = open_frames(dataset, config.frame, tmp_path / "cache")
    train_latents(config, store, dataset.fps, RunDirectory(tmp_path / "first"))
    source = str(tmp_path / "first")
    width = FrozenFeatures.read(source, CPU).width
    second = LatentsConfig(
        model=PRESETS["debug"].latents.__class__(**{**vars(config.model), "feature_dim": width}),
        loop=LoopConfig(steps=40, batch=4, log_every=1, warmup_steps=1, learning_rate=3e-3),
        features=source,
    )
    run = RunDirectory(tmp_path / "second")
    train_latents(second, store, dataset.fps, run)
    lines = [line for line in run.metrics.read_text().splitlines() if '"features"' in line]
    losses = [float(line.split('"features": ')[1].split(",")[0].rstrip("}")) for line in lines]
    assert np.mean(losses[-5:]) < 0.7 * losses[0]
    assert read_latent_model(run)[1].to_features is not None


def test_the_published_network_takes_no_features() -> None:
    config = published_latents(4, 8, LoopConfig())
    with pytest.raises(ConfigError, match="no head for actions or features"):
        LatentsConfig(
            published=config.published,
            model=config.model.__class__(**{**vars(config.model), "feature_dim": 3}),
        )
