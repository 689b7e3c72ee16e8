"""A finished stage-1 run behind numpy arrays: what labelling and analysis work with."""

from __future__ import annotations

import numpy as np
import torch

from lapa_edge import _native
from lapa_edge.evaluate.latent_codec import Codes, Encoded, Frames
from lapa_edge.spec import FrameSpec, LatentSpec
from lapa_edge.train.batches import frames_to_tensor, tensor_to_frames
from lapa_edge.train.device import pick_device
from lapa_edge.train.latents import LatentModel, LatentsConfig, read_latent_model
from lapa_edge.train.run_directory import RunDirectory

BATCH = 128  # bounds the memory, not the result


class TrainedCodec:
    """A latent action model and the settings it was trained with (a `LatentCodec`)."""

    def __init__(self, config: LatentsConfig, model: LatentModel) -> None:
        self._config = config
        self._device = pick_device()
        self._model = model.to(self._device).eval()
        self._vectors = model.quantizer.codebook.detach().cpu().numpy()
        self._codebook = _native.Codebook(self._vectors)

    @property
    def latent(self) -> LatentSpec:
        """Codes per latent action, codebook size, width, and the gap that labels are read at."""
        model = self._config.network
        gap_s = self._config.label_gap_s
        return LatentSpec(n=model.n, k=model.quantizer.k, d=model.quantizer.d, gap_s=gap_s)

    @property
    def frame(self) -> FrameSpec:
        """The size and normalisation of the frames."""
        return self._config.frame

    @torch.inference_mode()
    def encode(self, first: Frames, second: Frames) -> Encoded:
        """Latent actions between `first` and `second`, both uint8 [b, h, w, 3].

        The codes come from the native kernel, whose nearest code is exact, ties to the lowest.
        """
        latent = self.latent
        latents = np.zeros((len(first), latent.n, latent.d), np.float32)
        for part in _batches(len(first)):
            pair = (self._tensor(frames[part]) for frames in (first, second))
            latents[part] = self._model.encode(*pair).cpu().numpy()
        rows = latents.reshape(-1, latent.d)
        codes = self._codebook.nearest(rows)
        distance = np.linalg.norm(rows - self._vectors[codes], axis=1).reshape(-1, latent.n)
        return Encoded(codes.reshape(-1, latent.n), latents, distance.mean(1, dtype=np.float32))

    @torch.inference_mode()
    def decode(self, first: Frames, codes: Codes) -> Frames:
        """The later frames uint8 [b, h, w, 3] that the codes [b, n] make of `first`."""
        later = np.empty_like(first)
        for part in _batches(len(first)):
            vectors = torch.from_numpy(self._vectors[codes[part]]).to(self._device)
            predicted = self._model.decode(self._tensor(first[part]), vectors)
            later[part] = tensor_to_frames(predicted, self.frame)
        return later

    def _tensor(self, frames: Frames) -> torch.Tensor:
        return frames_to_tensor(frames, self.frame, self._device)


def read_codec(run: RunDirectory, best: bool = False) -> TrainedCodec:
    """The codec of a stage-1 run, of its last weights or of its `best`.

    Raises:
        DataError: no finished stage-1 run lies there.
    """
    return TrainedCodec(*read_latent_model(run, best))


def _batches(count: int) -> list[slice]:
    return [slice(start, start + BATCH) for start in range(0, count, BATCH)]
