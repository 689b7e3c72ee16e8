"""The policy's eye: an image to patch tokens, by our own stem or by a timm model of that name.

A timm backbone brings features that others learned from far more images. Its weights come from a
file that the user has; nothing is ever downloaded, and nothing is unpickled.
"""

from __future__ import annotations

import difflib
import importlib
import sys
import types
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from lapa_edge.errors import ConfigError, DataError, MissingDependencyError
from lapa_edge.spec import FrameSpec

TIMM = "timm:"


class TimmStem(nn.Module):
    """``[b, 3, h, w]`` to tokens ``[b, t, d]``: a timm model's last features, projected.

    A frozen one stays in evaluation mode, so that its norms keep the statistics they came with, and
    takes no gradient.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, name: str, height: int, width: int, d: int, frozen: bool) -> None:
        super().__init__()
        self.name, self.frozen = name, frozen
        self.size = height, width
        self.backbone = _create(name, self.size)
        _check_takes(self.backbone, name, self.size)
        self.backbone.train(not frozen).requires_grad_(not frozen)
        self.project = nn.Linear(self.backbone.num_features, d)
        # Frames arrive normalised for our networks: brought over to what the backbone knows.
        frame, theirs = FrameSpec(height=height, width=width), self.backbone.pretrained_cfg
        scale = torch.tensor(frame.std) / torch.tensor(theirs["std"])
        shift = (torch.tensor(frame.mean) - torch.tensor(theirs["mean"])) / torch.tensor(
            theirs["std"]
        )
        self.register_buffer("scale", scale.view(1, 3, 1, 1), persistent=False)
        self.register_buffer("shift", shift.view(1, 3, 1, 1), persistent=False)

    def train(self, mode: bool = True) -> TimmStem:
        """As everywhere, but for a frozen backbone."""
        super().train(mode)
        self.backbone.train(mode and not self.frozen)
        return self

    def forward(self, image: Tensor) -> Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            features = self.backbone.forward_features(image * self.scale + self.shift)
        if features.ndim == 4:  # [b, h, w, c] or [b, c, h, w]
            last = getattr(self.backbone, "output_fmt", "NCHW") == "NHWC"
            features = features.flatten(1, 2) if last else features.flatten(2).transpose(1, 2)
        tokens: Tensor = self.project(features)
        return tokens

    def load(self, path: Path) -> None:
        """Fill the backbone with timm's weights of this model, resized to its input by timm.

        Raises:
            DataError: the file is absent, no safetensors, or of another model.
        """
        thing, fix = f"backbone weights {path}", f"give model.safetensors of timm's {self.name}"
        if path.suffix != ".safetensors" or not path.is_file():
            what = "a pickle may run code" if path.is_file() else "no such file"
            raise DataError(thing, f"expected a .safetensors file, got {path.name} ({what})", fix)
        try:
            with safe_open(path, "pt") as file:
                missing = sorted(self.backbone.state_dict().keys() - set(file.keys()))
            if missing:
                raise DataError(thing, f"{missing[0]} is missing ({len(missing)} in all)", fix)
            filled = _create(self.name, self.size, path)
        except (SafetensorError, RuntimeError) as error:
            raise DataError(
                thing, f"they do not fit ({str(error).splitlines()[0]})", fix
            ) from error
        self.backbone.load_state_dict(filled.state_dict())


def check_backbone(backbone: str) -> None:
    """Raise where `backbone` is no name that can be built here: before any video is read.

    Raises:
        ConfigError: not of the form ``timm:NAME``, or timm has no such model.
        MissingDependencyError: timm is not installed, or does not load.
    """
    if not backbone:
        return
    if not backbone.startswith(TIMM):
        raise ConfigError("backbone", f"expected timm:NAME or nothing, got {backbone!r}")
    name, known = backbone.removeprefix(TIMM), _timm().list_models()
    if name not in known:
        near = ", ".join(difflib.get_close_matches(name, known, 5, 0.5)) or "none"
        raise ConfigError(
            "backbone",
            f"timm {_timm().__version__} has no model {name!r}; near names: {near}",
            "its list: python -c 'import timm; print(timm.list_models())'",
        )


def _create(name: str, size: tuple[int, int], weights: Path | None = None) -> Any:
    check_backbone(TIMM + name)
    create = _timm().create_model
    options: dict[str, Any] = {"num_classes": 0}  # features alone
    if weights:
        options |= {"pretrained": True, "pretrained_cfg_overlay": {"file": str(weights)}}
    try:
        return create(name, img_size=size, **options)
    except TypeError:  # convolutions take any size, and know no such argument
        return create(name, **options)


def _check_takes(backbone: nn.Module, name: str, size: tuple[int, int]) -> None:
    """Some models want multiples of a patch or a window, and tell so only when they run."""
    try:
        with torch.no_grad():
            backbone.eval().forward_features(torch.zeros(1, 3, *size))  # type: ignore[operator]
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ConfigError(
            "backbone",
            f"timm's {name} does not take frames of {size[0]} x {size[1]} ({error})",
            "choose a preset with larger frames, or a convolutional model",
        ) from error


def _timm() -> Any:
    fix = "pip install timm (beside a CPU build of torch, torchvision from the same place)"
    try:
        try:
            return importlib.import_module("timm")
        except RuntimeError as error:
            if "torchvision::" not in str(error):
                raise
            _without_compiled_torchvision()
            return importlib.import_module("timm")
    except (ImportError, RuntimeError) as error:
        raise MissingDependencyError("timm", f"cannot be imported ({error})", fix) from error


def _without_compiled_torchvision() -> None:
    """Make torchvision importable where its compiled operators do not load beside this torch.

    PyPI's torchvision needs CUDA's torch; beside the CPU's it stops while describing operators that
    are not there. timm uses its Python side alone, so the descriptions are left out. Whoever calls
    such an operator is still told by torch that there is none.
    """
    for name in [x for x in sys.modules if x.split(".")[0] in ("timm", "torchvision")]:
        del sys.modules[name]
    name = "torchvision._meta_registrations"
    sys.modules[name] = types.ModuleType(name)
