"""Stage 3, ``lapa-train actions``: a few labelled demos in, an agent that acts out.

The action head learns real actions at control rate on top of the pretrained trunk, which is frozen
unless told otherwise: with a handful of demos it only has to lose. Every
sample is a moment of a demo seen through a policy that looked a random while ago, so that a late
policy degrades instead of jerking (delay in training: TIC-VLA, HiRT).

``scratch`` trains the same trunk and head from random weights, without stages 1 and 2, and so
without codes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from lapa_edge.data.episode import Dataset
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.model.action_head import ActionHeadConfig, head_input
from lapa_edge.model.agent import Agent, InstructedPolicy, no_codebook
from lapa_edge.model.policy import PolicyConfig
from lapa_edge.spec import FrameSpec, LatentSpec, PolicySpec, TextSpec, TimingSpec, check_spec
from lapa_edge.tokenizer import Tokenizer
from lapa_edge.train.batches import augment, frames_to_tensor
from lapa_edge.train.demos import DemoMoments, spec_from_demos
from lapa_edge.train.device import pick_device
from lapa_edge.train.loop import LoopConfig, Losses, train, unwrap
from lapa_edge.train.run_directory import RunDirectory, load_weights
from lapa_edge.train.words import build_words


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


def train_actions(
    config: ActionsConfig,
    pretrained: tuple[InstructedPolicy, Tensor] | None,
    dataset: Dataset,
    store: FrameStore,
    run: RunDirectory,
) -> Agent:
    """Train on the labelled demos; the finished weights are in `run`.

    Args:
        pretrained: stage 2's policy and stage 1's codebook; None trains from scratch.
        dataset: labelled episodes only.
    """
    device = pick_device()
    demos = DemoMoments(config.spec, config.tokenizer, dataset, store, config.moments)

    def loss_function(model: nn.Module, rng: np.random.Generator) -> Losses:
        batch = demos.sample(rng, config.loop.batch, config.drop_last_action)
        frame = frames_to_tensor(store.all[batch.frame], config.spec.frame, device)
        (frame,) = augment([frame], rng, config.shift, config.light)
        _, latent, context = unwrap(model).look(frame, torch.from_numpy(batch.ids).to(device))
        x = head_input(
            latent.repeat_interleave(config.moments, 0),
            context.repeat_interleave(config.moments, 0),
            *(torch.from_numpy(part).to(device) for part in (batch.state, batch.last, batch.age)),
        )
        wanted = torch.from_numpy(batch.chunk).to(device)
        error = (model(x) - wanted).abs()
        return error.mean(), {"first_step": error[:, : demos.action_dim].mean()}

    def build() -> nn.Module:
        agent = build_agent(config, pretrained).to(device)
        agent.instructed.requires_grad_(pretrained is None or config.trunk_rate > 0)
        return agent

    scales = [("instructed.", config.trunk_rate if pretrained else 1.0)]
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
    )
    check_spec(spec)
    return ActionsConfig(
        spec=spec, tokenizer=words, policy=policy, head=head, loop=loop, trunk_rate=trunk_rate
    )


def build_agent(config: ActionsConfig, pretrained: tuple[InstructedPolicy, Tensor] | None) -> Agent:
    """The agent of `config`: around the pretrained policy, or with random weights."""
    if pretrained:
        instructed, codebook = pretrained
    else:
        latent, words = config.spec.latent, config.tokenizer
        n, k = (latent.n, latent.k) if latent else (0, 1)
        instructed = InstructedPolicy(config.policy, n, k, words.vocabulary_size, words.max_tokens)
        codebook = torch.zeros(latent.k, latent.d) if latent else no_codebook()
    spec = config.spec
    return Agent(instructed, codebook, spec.head_input_dim, spec.head_output_dim, config.head)


def read_agent(run: RunDirectory) -> tuple[ActionsConfig, Agent]:
    """The finished stage-3 run: its config and its agent."""
    config = run.read_config(ActionsConfig)
    agent = build_agent(config, None)
    load_weights(agent, run.weights)
    return config, agent.eval()
