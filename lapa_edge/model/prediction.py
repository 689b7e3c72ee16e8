"""What a latent action model says of a frame pair in training."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lapa_edge.model.quantizer import Quantized


@dataclass(frozen=True)
class Prediction:
    """The second frame as predicted from the first and the latent action.

    Attributes:
        frame: ``[b, 3, h, w]``, normalised as the input.
        quantized: the latent actions of the pairs.
        features: ``[b, tokens, f]`` of the second frame, where the model has a head for them.
        actions: ``[2, m, a]``, normalised actions of the ``m`` labelled pairs from their latents
            and from their codes, where labelled pairs were given.
    """

    frame: Tensor
    quantized: Quantized
    features: Tensor | None = None
    actions: Tensor | None = None
