"""Stage 2, ``lapa-train policy``: frames, instructions and their codes in, a latent policy out.

Behaviour cloning in the latent action space: cross-entropy on the codes of stage 1 (LAPA,
section 3.2). No robot is involved yet, unless the policy is told its state: where a clip has
steps it is, and hidden at random, so that the policy does well with the video alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from lapa_edge.data.episode import Dataset
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.data.labels import Labels
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.model.agent import InstructedPolicy
from lapa_edge.model.policy import PolicyConfig, state_input
from lapa_edge.spec import FrameSpec, LatentSpec, StateSpec
from lapa_edge.tokenizer import Tokenizer
from lapa_edge.train.batches import augment_views, frames_to_tensor
from lapa_edge.train.device import pick_device
from lapa_edge.train.loop import LoopConfig, Losses, train
from lapa_edge.train.policy_state import measure_state, states_at
from lapa_edge.train.run_directory import RunDirectory, load_weights
from lapa_edge.train.words import build_words, encode_instructions


@dataclass(frozen=True)
class PolicyTrainingConfig:
    """Stage 2 settings."""

    latent: LatentSpec
    """The latent action space of the labels."""
    tokenizer: Tokenizer
    """Vocabulary of the instructions."""
    model: PolicyConfig = field(default_factory=PolicyConfig)
    """The network."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=600))
    """The training loop."""
    latent_weight: float = 1.0
    """Weight of predicting the latent before quantization from the context."""
    shift: int = 4
    """Augmentation: largest random shift, pixels."""
    light: float = 0.1
    """Augmentation: largest relative change of light."""
    colour: float = 0.0
    """Augmentation: largest turn of the hue (a share of a full turn) and change of saturation."""
    erase: float = 0.0
    """Augmentation: largest side of a hidden rectangle, as a share of the frame's."""
    state: StateSpec | None = None
    """The robot's state that the policy is told, with its normalisation."""
    hide_state: float = 0.5
    """Share of samples whose state, though known, is hidden."""

    def __post_init__(self) -> None:
        names = self.state.names if self.state else ()
        if names != self.model.state_names:
            raise ConfigError(
                "policy state", f"expected {list(self.model.state_names)}, got {list(names)}"
            )

    @property
    def frame(self) -> FrameSpec:
        """Frames of the size the model reads."""
        return FrameSpec(height=self.model.height, width=self.model.width)


def train_policy(
    config: PolicyTrainingConfig,
    dataset: Dataset,
    store: FrameStore,
    labels: Labels,
    run: RunDirectory,
) -> InstructedPolicy:
    """Train on every labelled frame; the finished weights are in `run`."""
    device = pick_device()
    frame_index, ids = _samples(config.tokenizer, dataset, store, labels)
    states = states_at(dataset, labels, config.state) if config.state else None
    flat = labels.latents.reshape(len(labels.frame), -1)
    latents = (flat - flat.mean(0)) / flat.std(0).clip(1e-6)  # [m, n * d]

    def loss_function(model: nn.Module, rng: np.random.Generator) -> Losses:
        chosen = rng.integers(len(frame_index), size=config.loop.batch)
        frame = frames_to_tensor(store.gather(frame_index[chosen]), config.frame, device)
        frame = augment_views(frame, rng, config.shift, config.light, config.colour, config.erase)
        codes = torch.from_numpy(labels.codes[chosen].astype(np.int64)).to(device)
        words = torch.from_numpy(ids[chosen]).to(device)
        told = None
        if states is not None:
            known = states.known[chosen] & (rng.random(len(chosen)) >= config.hide_state)
            told = state_input(torch.from_numpy(states.state[chosen]), torch.from_numpy(known)).to(
                device
            )
        logits, context = model(frame, words, told, codes)
        on_codes = F.cross_entropy(logits.flatten(0, 1), codes.flatten())
        on_latents = F.smooth_l1_loss(context, torch.from_numpy(latents[chosen]).to(device))
        return on_codes + config.latent_weight * on_latents, {
            "latent": on_latents,
            "accuracy": (logits.argmax(-1) == codes).float().mean(),
        }

    model = train(
        "train policy",
        lambda: build_policy(config, fresh=True).to(device),
        loss_function,
        config.loop,
        run,
        config,
        data=f"{store.fingerprint()}:{len(frame_index)}",
    )
    assert isinstance(model, InstructedPolicy)
    return model


def policy_config(
    dataset: Dataset,
    labels: Labels,
    model: PolicyConfig,
    loop: LoopConfig,
    *,
    with_state: bool = False,
) -> PolicyTrainingConfig:
    """Stage 2 settings for this video: its words, and a context as wide as the latent space.

    `with_state` tells the policy the state of the clips that have one.
    """
    state = measure_state(dataset) if with_state else None
    model = replace(
        model,
        context_dim=labels.latent.n * labels.latent.d,
        state_names=state.names if state else (),
    )
    words = build_words(model.text, dataset)
    return PolicyTrainingConfig(
        latent=labels.latent, tokenizer=words, model=model, loop=loop, state=state
    )


def build_policy(config: PolicyTrainingConfig, fresh: bool = False) -> InstructedPolicy:
    """The network of `config`, untrained; `fresh` reads the weights of its backbone, if any."""
    words = config.tokenizer
    built = InstructedPolicy(
        config.model, config.latent.n, config.latent.k, words.vocabulary_size, words.max_tokens
    )
    if config.state:
        built.policy.set_state_scale(config.state.mean, config.state.std)
    if fresh:
        built.policy.load_backbone()
    return built


def read_policy(run: RunDirectory) -> tuple[PolicyTrainingConfig, InstructedPolicy]:
    """The finished stage-2 run: its config and its model."""
    config = run.read_config(PolicyTrainingConfig)
    model = build_policy(config)
    load_weights(model, run.weights)
    return config, model.eval()


def _samples(
    tokenizer: Tokenizer, dataset: Dataset, store: FrameStore, labels: Labels
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Per label: the frame's index in the store ``[m]`` and its token ids ``[m, max_tokens]``."""
    by_name = encode_instructions(tokenizer, dataset)
    unknown = sorted(set(labels.clip) - by_name.keys())
    if unknown:
        raise DataError(
            f"labels of clip {unknown[0]!r}", f"the data has no such clip ({len(unknown)} in all)",
            "give the --data that was labelled",
        )  # fmt: skip
    clips, inverse = np.unique(labels.clip, return_inverse=True)
    offsets = np.array([store.offset(clip) for clip in clips], dtype=np.int64)
    ids = np.stack([by_name[clip] for clip in clips])
    frame_index: NDArray[np.int64] = offsets[inverse] + labels.frame
    return frame_index, ids[inverse]
