"""Frozen features of a frame, as a second target for stage 1's decoder.

Pixels reward what is large; features of a frozen network reward what it holds to be meaningful
(LAOM, arXiv 2502.00379; UniVLA, arXiv 2505.06111). Two sources:

    a stage-1 run   the patches of its encoder, each frame alone
    an .onnx file   image f32 [b, 3, h, w], normalised as for ImageNet -> [b, tokens, f], for
                    instance an exported DINOv2; a token more than a square is a class token
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnxruntime
import torch
from torch import Tensor
from torch.nn import functional as F

from lapa_edge.errors import ConfigError, DataError
from lapa_edge.model.latent_action import LatentActionModel
from lapa_edge.spec import FrameSpec
from lapa_edge.train.run_directory import RunDirectory

FLOAT = "tensor(float)"
IMAGENET = FrameSpec(height=224, width=224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


class FrozenFeatures:
    """A frozen network from pixels in [0, 1] to patch features; see `read`."""

    def __init__(self, network: Callable[[Tensor], Tensor], width: int, source: str) -> None:
        self.width = width
        self._network = network
        self._source = source

    @staticmethod
    def read(source: str, device: torch.device) -> FrozenFeatures:
        """Open a stage-1 run or an ONNX file.

        Raises:
            DataError: neither, or a graph of another form.
        """
        path = Path(source)
        if path.suffix == ".onnx":
            network, width = _from_onnx(path, device)
        else:
            network, width = _from_run(path)
        return FrozenFeatures(network, width, source)

    @torch.no_grad()
    def of(self, image: Tensor, frame: FrameSpec, tokens: int) -> Tensor:
        """Features ``[b, tokens, f]`` of normalised frames ``[b, 3, h, w]``.

        They are normalised over ``f``, and pooled to the decoder's grid where theirs is finer.
        """
        mean = torch.tensor(frame.mean, device=image.device).view(1, 3, 1, 1)
        std = torch.tensor(frame.std, device=image.device).view(1, 3, 1, 1)
        features = self._network(image.float() * std + mean)  # [b, t, f]
        features = F.layer_norm(features, features.shape[-1:])
        side, wanted = (_side(count) for count in (features.shape[1], tokens))
        if not side or not wanted:
            raise ConfigError(
                f"features {self._source}",
                f"expected square grids of tokens, got {features.shape[1]} for {tokens} patches",
                "use square frames",
            )
        b, _, f = features.shape
        grid = features[:, -side * side :].transpose(1, 2).reshape(b, f, side, side)
        return F.adaptive_avg_pool2d(grid, wanted).flatten(2).transpose(1, 2)


def _side(tokens: int) -> int:
    """Side of a square of tokens, with or without a class token; 0 where it is none."""
    for count in (tokens, tokens - 1):
        if (side := round(count**0.5)) ** 2 == count:
            return side
    return 0


def _from_run(path: Path) -> tuple[Callable[[Tensor], Tensor], int]:
    from lapa_edge.train.latents import read_latent_model  # which imports this module

    config, model = read_latent_model(RunDirectory(path))
    if not isinstance(model, LatentActionModel):
        raise ConfigError(f"features {path}", "a run of preset lapa has no features of one frame")
    model.requires_grad_(False)
    size, device = config.frame, next(model.parameters()).device
    mean = torch.tensor(size.mean, device=device).view(1, 3, 1, 1)
    std = torch.tensor(size.std, device=device).view(1, 3, 1, 1)

    def network(pixels: Tensor) -> Tensor:
        return model.describe((_resized(pixels, size) - mean) / std)

    return network, config.model.d


def _from_onnx(path: Path, device: torch.device) -> tuple[Callable[[Tensor], Tensor], int]:
    if not path.is_file():
        raise DataError(f"features {path}", "no such file")
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has no common base for what it raises
        raise DataError(f"features {path}", f"ONNX Runtime refuses it ({error})") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shape_in, shape_out = inputs[0].shape, outputs[0].shape
    any_batch = len(shape_in) == 4 and not isinstance(shape_in[0], int) and shape_in[1] == 3
    if len(inputs) != 1 or not any_batch or len(shape_out) != 3 or inputs[0].type != FLOAT:
        raise DataError(
            f"features {path}",
            f"expected one image [b, 3, h, w] of {FLOAT} in, b left open, and [b, tokens, f] out, "
            f"got {shape_in} of {inputs[0].type} in and {shape_out} out",
            "export it again in float32 with a dynamic batch",
        )
    height, width = (n if isinstance(n, int) else IMAGENET.height for n in shape_in[2:])
    size = FrameSpec(height=height, width=width, mean=IMAGENET.mean, std=IMAGENET.std)
    if not isinstance(shape_out[2], int):
        raise DataError(f"features {path}", f"expected a fixed width, got {shape_out}")
    mean = torch.tensor(size.mean).view(1, 3, 1, 1)
    std = torch.tensor(size.std).view(1, 3, 1, 1)

    def network(pixels: Tensor) -> Tensor:
        images = (_resized(pixels, size).cpu() - mean) / std
        (features,) = session.run(None, {inputs[0].name: images.numpy()})[:1]
        return torch.from_numpy(features).to(device)

    return network, shape_out[2]


def _resized(pixels: Tensor, size: FrameSpec) -> Tensor:
    if pixels.shape[2:] == (size.height, size.width):
        return pixels
    return F.interpolate(pixels, (size.height, size.width), mode="bilinear", antialias=True)
