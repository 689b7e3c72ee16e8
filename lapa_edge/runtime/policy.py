"""The slow half on the robot: camera frames and instruction to a latent action.

Frames ``u8 [H, W, 3]`` -> native preprocessing -> a backend's graph -> codes -> latent, context.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from lapa_edge.artifact import Bundle
from lapa_edge.errors import BundleError
from lapa_edge.runtime.backends.graph import Arrays, Graph
from lapa_edge.runtime.backends.names import Backend, Device
from lapa_edge.runtime.backends.onnx_graph import OnnxGraph
from lapa_edge.runtime.backends.opening import open_graph
from lapa_edge.runtime.mark import check_mark
from lapa_edge.runtime.senses import Senses, Views
from lapa_edge.tokenizer import Tokenizer

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Latent:
    """What the policy said, and when it had looked.

    codes ``int32 [n]``; vector ``f32 [n * d]``; context ``f32 [context_dim]``; seen_at_s: the time
    the frame was taken, on the caller's clock, seconds.
    """

    codes: NDArray[np.int32]
    vector: NDArray[np.float32]
    context: NDArray[np.float32]
    seen_at_s: float


class Policy:
    """The latent policy of a bundle, for one instruction at a time.

    Args:
        bundle: verified.
        instruction: what to do, in words.
        threads: of ONNX Runtime on the CPU; 0 chooses by the machine.
        backend, device: what runs the graph where, see `open_graph`.
        graph: which of the bundle's graphs, a file's name without its end; or one that is open.
    """

    def __init__(
        self,
        bundle: Bundle,
        instruction: str,
        threads: int = 1,
        backend: Backend = "onnx",
        device: Device | None = None,
        graph: str | Graph = "policy",
    ) -> None:
        check_mark(bundle)
        self.spec = bundle.spec
        if isinstance(graph, str):
            graph = open_graph(bundle, graph, backend, device, threads)
        self._graph = graph
        self._text_graph = OnnxGraph(bundle.path("text_encoder.onnx"))
        self._tokenizer = read_tokenizer(bundle)
        self._codebook = _read_codebook(bundle)
        self._senses = Senses(bundle.spec)
        self.set_instruction(instruction)

    def set_instruction(self, instruction: str) -> list[str]:
        """Encode a new instruction, once; returns its words that training never met.

        What of it the policy won't understand is logged as a warning.

        Raises:
            RuntimeInputError: too long, or with control characters; the old one stays.
        """
        ids = self._tokenizer.encode(instruction)
        self._text = self._text_graph.run(ids=ids)["text"]
        self.instruction = instruction
        if complaints := self._tokenizer.complaints(instruction):
            log.warning("instruction %r: %s", instruction[:80], "; ".join(complaints))
        return self._tokenizer.unknown_words(instruction)

    def look(
        self, frame: Views, seen_at_s: float, state: NDArray[np.float32] | None = None
    ) -> Latent:
        """The latent action for what the cameras see.

        Args:
            frame: RGB ``u8 [H, W, 3]`` as the camera gives it, any size; of several cameras a
                sequence of them, in the order of ``spec.cameras``.
            seen_at_s: when it was taken, on the clock that `Session.act` is called with.
            state: measured then, ``f32 [s]``, or None where it is not known; it counts for a
                policy that is told the state (``spec.policy_state``).

        Raises:
            RuntimeInputError: a frame of another dtype or shape, more or fewer cameras, a state
                of another length or one that is not finite.
        """
        return self.read(self._graph.run(**self.inputs(frame, state)), seen_at_s)

    def read(self, answer: Arrays, seen_at_s: float) -> Latent:
        """The latent action in the graph's answer to `inputs`."""
        context = answer["context"][0].astype(np.float32)
        if self._codebook is None:
            codes, vector = np.zeros(0, np.int32), np.zeros(0, np.float32)
        else:
            logits = answer["logits"][0]  # [n, k]
            codes = logits.argmax(-1).astype(np.int32)  # [n]
            vector = self._codebook[codes].ravel()
            if not np.isfinite(logits).all():
                # argmax of NaN is an ordinary code: the session must see that it means nothing.
                vector = np.full_like(vector, np.nan)
        return Latent(codes, vector, context, seen_at_s)

    def inputs(self, frame: Views, state: NDArray[np.float32] | None = None) -> Arrays:
        """What the graph is run with for this look; arguments as for `look`."""
        inputs: Arrays = {
            "image": self.preprocess(frame), "text": self._text
        }  # fmt: skip
        if self.spec.policy_state:
            inputs["state"] = self._senses.state(state)
        return inputs

    def preprocess(self, frame: Views) -> NDArray[np.float32]:
        """``u8 [H, W, 3]`` of each camera to ``f32 [1, 3 v, h, w]``."""
        return self._senses.image(frame)


def _read_codebook(bundle: Bundle) -> NDArray[np.float32] | None:
    latent = bundle.spec.latent
    if latent is None:
        return None
    codebook = read_weights(bundle).get("codebook")
    if codebook is None or codebook.shape != (latent.k, latent.d):
        raise BundleError(
            f"bundle {bundle.root}",
            f"weights.safetensors: expected codebook [{latent.k}, {latent.d}], "
            f"got {'none' if codebook is None else list(codebook.shape)}",
        )
    return codebook


def read_weights(bundle: Bundle) -> dict[str, NDArray[np.float32]]:
    """The arrays of ``weights.safetensors`` by name."""
    try:
        return load_file(bundle.path("weights.safetensors"))
    except SafetensorError as error:
        raise BundleError(f"bundle {bundle.root}", f"weights.safetensors: {error}") from error


def read_tokenizer(bundle: Bundle) -> Tokenizer:
    """The words that the bundle's text encoder knows."""
    try:
        raw = bundle.path("tokenizer.json").read_bytes()
        tokenizer = msgspec.json.decode(raw, type=Tokenizer)
    except msgspec.MsgspecError as error:
        raise BundleError(f"bundle {bundle.root}", f"tokenizer.json: {error}") from error
    if tokenizer.max_tokens != bundle.spec.text.max_tokens:
        raise BundleError(
            f"bundle {bundle.root}",
            f"tokenizer.json: expected max_tokens {bundle.spec.text.max_tokens}, "
            f"got {tokenizer.max_tokens}",
        )
    return tokenizer
