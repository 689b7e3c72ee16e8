"""Stage 3, ``lapa-train actions``: a few labelled demos in, an agent that acts out.

The action head learns real actions at control rate on top of the pretrained trunk, which is frozen
unless told otherwise: with a handful of demos it only has to lose. Every
sample is a moment of a demo seen through a policy that looked a random while ago, so that a late
policy degrades instead of jerking (delay in training: TIC-VLA, HiRT).

Which latent the head is told: `quantized` are the codebook's vectors of the codes that the policy
chose; `continuous` is its context, which stage 2 teaches to be the latent before quantization;
`both` are both. What is hidden keeps weights of zero, so that the robot's side need not know.

``scratch`` trains the same trunk and head from random weights, without stages 1 and 2, and so
without codes.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from accelerate import PartialState
from msgspec.structs import replace as replace_fields
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from lapa_edge.data.episode import Dataset
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.errors import ConfigError
from lapa_edge.model.action_head import ActionHeadConfig, head_input
from lapa_edge.model.agent import Agent, InstructedPolicy, no_codebook
from lapa_edge.model.decoding import ActionBins, chunk_loss
from lapa_edge.model.look_state import LookState, look_state_width
from lapa_edge.model.policy import PolicyConfig, state_input
from lapa_edge.model.unipi import UniPi, UniPiConfig
from lapa_edge.spec import (
    HEAD_PARTS,
    Decoding,
    FrameSpec,
    HeadPart,
    LatentSpec,
    PolicySpec,
    TextSpec,
    TimingSpec,
    check_spec,
)
from lapa_edge.tokenizer import Tokenizer
from lapa_edge.train.action_bins import fill_bins
from lapa_edge.train.batches import augment_views, frames_to_tensor
from lapa_edge.train.demo_spec import spec_from_demos, timing_of
from lapa_edge.train.demos import DemoMoments
from lapa_edge.train.device import pick_device
from lapa_edge.train.frame_codes import UNKNOWN, codes_of_store
from lapa_edge.train.hand_over import measure_hand_over
from lapa_edge.train.loop import LoopConfig, Losses, train, unwrap
from lapa_edge.train.run_directory import RunDirectory, load_weights
from lapa_edge.train.words import build_words

HIDE_STATE = 0.1  # share of looks: a robot's first may come before it has told its state
LatentInput = Literal["quantized", "continuous", "both"]


@dataclass(frozen=True)
class ActionsConfig:
    """Stage 3 settings."""

    spec: PolicySpec
    """What the agent reads and writes, with the demos' normalisation."""
    tokenizer: Tokenizer
    """Vocabulary of the instructions."""
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    """The trunk."""
    head: ActionHeadConfig = field(default_factory=ActionHeadConfig)
    """The action head."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=600))
    """The training loop."""
    trunk_rate: float = 0.0
    """Learning rate of a pretrained trunk, as a share of the head's; 0 freezes it."""
    moments: int = 8
    """Control steps trained per frame looked at, with different latent ages."""
    drop_last_action: float = 0.5
    """Share of samples whose last action is hidden, so that the head does not just repeat it."""
    shift: int = 4
    """Augmentation: largest random shift, pixels."""
    light: float = 0.1
    """Augmentation: largest relative change of light."""
    colour: float = 0.0
    """Augmentation: largest turn of the hue (a share of a full turn) and change of saturation."""
    erase: float = 0.0
    """Augmentation: largest side of a hidden rectangle, as a share of the frame's."""
    latent_input: LatentInput = "both"
    """What of the latent the head is told: the codes' vectors, the context, or both."""
    look_state: bool = False
    """Whether the context ends with the state at the look, see `model.look_state`."""
    code_weight: float = 0.0
    """Weight of still predicting the codes while the trunk is fine-tuned; 0 lets them go."""
    unipi: UniPiConfig | None = None
    """In place of the trunk, a predictor of frames and an inverse dynamics behind it."""

    def __post_init__(self) -> None:
        if not 0 <= self.code_weight < float("inf"):
            raise ConfigError("code_weight", f"expected 0 or more, got {self.code_weight}")
        if self.code_weight and not self.spec.latent:
            raise ConfigError("code_weight", "there are no codes to predict from scratch")
        if self.code_weight and not self.trunk_rate:
            problem = "a frozen trunk predicts the codes that it predicted before"
            raise ConfigError("code_weight", problem, "give --trunk-rate too, 0.1 for instance")
        if self.look_state and not self.spec.state.names:
            raise ConfigError("look_state", "the robot has no state")
        if self.look_state and self.latent_input == "quantized":
            raise ConfigError("look_state", "it is part of the context, which quantized hides")
        if self.latent_input != "both" and not self.spec.latent:
            raise ConfigError("latent_input", "from scratch there is but the context")


Pretrained = tuple[InstructedPolicy, Tensor] | Agent
"""Stage 2's policy and stage 1's codebook, or a whole agent that goes on with its own head."""


def train_actions(
    config: ActionsConfig,
    pretrained: Pretrained | None,
    dataset: Dataset,
    store: FrameStore,
    run: RunDirectory,
    codes: Mapping[str, NDArray[np.int64]] | None = None,
) -> Agent:
    """Train on the labelled demos; the finished weights are in `run`.

    Args:
        pretrained: what the demos ground; None trains from scratch.
        dataset: labelled episodes only.
        codes: by clip, of every frame: see `frame_codes`; needed for ``code_weight`` alone.

    Raises:
        DataError: demos of another robot than the settings are for.
        ConfigError: a ``code_weight`` without codes.
    """
    device = pick_device()
    demos = DemoMoments(config.spec, config.tokenizer, dataset, store, config.moments)
    shown = _shown(config).to(device)
    if config.code_weight and codes is None:
        raise ConfigError("code_weight", "expected the demos' codes, got none")
    labels = codes_of_store(codes, store) if config.code_weight and codes else None

    def loss_function(model: nn.Module, rng: np.random.Generator) -> Losses:
        batch = demos.sample(rng, config.loop.batch, config.drop_last_action)
        frame = frames_to_tensor(store.gather(batch.frame), config.spec.frame, device)
        frame = augment_views(frame, rng, config.shift, config.light, config.colour, config.erase)
        told = None
        if config.spec.policy_state:
            known = torch.from_numpy(rng.random(len(frame)) >= HIDE_STATE)
            told = state_input(torch.from_numpy(batch.seen_with), known).to(device)
        agent = unwrap(model)
        logits, latent, context = agent.look(frame, torch.from_numpy(batch.ids).to(device), told)
        x = shown * head_input(
            config.spec,
            {
                "latent": latent.repeat_interleave(config.moments, 0),
                "context": context.repeat_interleave(config.moments, 0),
                "state": torch.from_numpy(batch.state).to(device),
                "last_action": torch.from_numpy(batch.last).to(device),
                "latent_age": torch.from_numpy(batch.age).to(device),
                "chunk_index": torch.from_numpy(batch.index).to(device),
            },
        )
        wanted = torch.from_numpy(batch.chunk).to(device)
        if labels is None:
            return chunk_loss(config.spec.action, model, x, wanted, agent.bins)
        # Distributed training looks for parameters behind the head: here it finds the codes' too.
        x = x + 0 * logits.sum()
        loss, metrics = chunk_loss(config.spec.action, model, x, wanted, agent.bins)
        on_codes = F.cross_entropy(
            logits.flatten(0, 1),
            torch.from_numpy(labels[batch.frame].ravel()).to(device),
            ignore_index=UNKNOWN,
        )
        return loss + config.code_weight * on_codes, {**metrics, "codes": on_codes}

    def build() -> nn.Module:
        # Of a copy: a model that was spread over processes is built anew in the end.
        agent = build_agent(config, copy.deepcopy(pretrained))
        if pretrained is None:
            agent.instructed.policy.load_backbone()
        if agent.bins is not None and not isinstance(pretrained, Agent):
            fill_bins(agent.bins, config.spec.action, demos.actions)
        with torch.no_grad():
            agent.head.input.weight[:, : len(shown)] *= shown.cpu()
        agent = agent.to(device)
        agent.instructed.requires_grad_(pretrained is None or config.trunk_rate > 0)
        agent.instructed.policy.freeze_backbone()
        return agent

    scales = [("instructed.", config.trunk_rate if pretrained else 1.0)]
    finished = run.finished
    model = train(
        f"train actions ({run.root.name})",
        build,
        loss_function,
        config.loop,
        run,
        config,
        store.fingerprint(),
        scales,
    )
    assert isinstance(model, Agent)
    if not finished and PartialState().is_main_process:
        found = measure_hand_over(config.spec, config.tokenizer, model, dataset, store)
        run.log({"step": config.loop.steps, **found})
    return model


def actions_config(
    dataset: Dataset,
    *,
    latent: LatentSpec | None,
    tokenizer: Tokenizer | None,
    policy: PolicyConfig,
    head: ActionHeadConfig,
    timing: TimingSpec,
    chunk: int,
    loop: LoopConfig,
    trunk_rate: float,
    head_inputs: tuple[HeadPart, ...] = HEAD_PARTS,
    latent_input: LatentInput = "both",
    decoding: Decoding = "direct",
    code_weight: float = 0.0,
    look_state: bool = False,
) -> ActionsConfig:
    """Stage 3 settings for these demos: their normalisation and, from scratch, their words."""
    words = tokenizer or build_words(policy.text, dataset)
    spec = spec_from_demos(
        dataset,
        frame=FrameSpec(height=policy.height, width=policy.width),
        latent=latent,
        text=TextSpec(max_tokens=words.max_tokens, d=policy.text_dim),
        timing=timing,
        context_dim=policy.context_dim,
        chunk=chunk,
        head_inputs=head_inputs,
        decoding=decoding,
    )
    if policy.state_names not in ((), spec.state.names):
        raise ConfigError(
            "demos",
            f"expected states {', '.join(policy.state_names)}, which the policy is told, "
            f"got {', '.join(spec.state.names)}",
            "give demos of the robot the policy was trained with",
        )
    spec = replace_fields(
        spec,
        cameras=policy.cameras,
        policy_state=look_state or bool(policy.state_names),
        context_dim=policy.context_dim + look_state * look_state_width(len(spec.state.names)),
    )
    check_spec(spec)
    return ActionsConfig(
        spec=spec,
        tokenizer=words,
        policy=policy,
        head=head,
        loop=loop,
        trunk_rate=trunk_rate,
        latent_input=latent_input,
        code_weight=code_weight,
        look_state=look_state,
    )


def build_agent(config: ActionsConfig, pretrained: Pretrained | None) -> Agent:
    """The agent of `config`: around the pretrained policy, or with random weights."""
    if isinstance(pretrained, Agent):
        return pretrained
    if pretrained:
        instructed, codebook = pretrained
    else:
        latent, words = config.spec.latent, config.tokenizer
        n, k = (latent.n, latent.k) if latent else (0, 1)
        instructed = InstructedPolicy(config.policy, n, k, words.vocabulary_size, words.max_tokens)
        codebook = torch.zeros(latent.k, latent.d) if latent else no_codebook()
        if config.policy.state_names:
            instructed.policy.set_state_scale(config.spec.state.mean, config.spec.state.std)
        if config.unipi:
            instructed.register_module("policy", UniPi(config.policy, config.unipi))
    spec = config.spec
    bins = ActionBins(len(spec.action.names), spec.action.bins) if spec.action.bins else None
    look_state = LookState(spec.state.mean, spec.state.std) if config.look_state else None
    return Agent(
        instructed, codebook, spec.head_input_dim, spec.head_output_dim, config.head, bins,
        look_state,
    )  # fmt: skip


def with_blend(config: ActionsConfig, blend_s: float) -> ActionsConfig:
    """The same run, driven with another ``timing.blend_s``; no weight depends on it.

    Raises:
        ConfigError: it is negative, or longer than a latent may drive.
    """
    timing = config.spec.timing
    timing = timing_of(timing.policy_hz, timing.max_latent_age_s, blend_s)
    return replace(config, spec=replace_fields(config.spec, timing=timing))


def _shown(config: ActionsConfig) -> Tensor:
    """1 for what the head is told, 0 for what the setting hides, ``f32 [in]``."""
    shown, at = torch.ones(config.spec.head_told_dim), config.spec.head_slices()
    hidden = {"quantized": ["context"], "continuous": ["latent"], "both": []}
    for part in hidden[config.latent_input]:
        shown[at[part]] = 0
    return shown


def read_agent(run: RunDirectory) -> tuple[ActionsConfig, Agent]:
    """The finished stage-3 run: its config and its agent."""
    config = run.read_config(ActionsConfig)
    agent = build_agent(config, None)
    load_weights(agent, run.weights)
    return config, agent.eval()
