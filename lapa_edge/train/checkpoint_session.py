"""A stage-3 run behind the runtime's session: a checkpoint that acts before it is exported.

Preprocessing, session and safety gate are the robot's; the two networks alone are torch's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lapa_edge.evaluate.evaluation import JobAnswer, RolloutJob, run_job
from lapa_edge.model.agent import Agent
from lapa_edge.runtime.decoding import BinTable, Head, decode_head
from lapa_edge.runtime.policy import Latent
from lapa_edge.runtime.senses import Senses, Views
from lapa_edge.runtime.session import Session
from lapa_edge.spec import PolicySpec
from lapa_edge.tokenizer import Tokenizer
from lapa_edge.train.actions import read_agent
from lapa_edge.train.run_directory import RunDirectory


class CheckpointPolicy:
    """The latent policy of an agent, as `lapa_edge.runtime.policy.Policy` is of a bundle."""

    def __init__(
        self, spec: PolicySpec, tokenizer: Tokenizer, agent: Agent, instruction: str
    ) -> None:
        self._spec, self._tokenizer, self._agent = spec, tokenizer, agent
        self._senses = Senses(spec)
        self.set_instruction(instruction)

    def set_instruction(self, instruction: str) -> list[str]:
        """Encode a new instruction; returns its words that training never met."""
        self._ids = torch.from_numpy(self._tokenizer.encode(instruction))
        self.instruction = instruction
        return self._tokenizer.unknown_words(instruction)

    @torch.inference_mode()
    def look(
        self, frame: Views, seen_at_s: float, state: NDArray[np.float32] | None = None
    ) -> Latent:
        """The latent action for what the cameras see; as `runtime.policy.Policy.look`."""
        image = torch.from_numpy(self._senses.image(frame))
        told = torch.from_numpy(self._senses.state(state)) if self._spec.policy_state else None
        logits, latent, context = self._agent.look(image, self._ids, told)
        if self._spec.latent is None:
            codes, vector = np.zeros(0, np.int32), np.zeros(0, np.float32)
        else:
            codes = logits[0].argmax(-1).to(torch.int32).numpy()
            vector = latent[0].numpy()
            if not torch.isfinite(logits).all():
                vector = np.full_like(vector, np.nan)
        return Latent(codes, vector, context[0].numpy(), seen_at_s)


class CheckpointHead:
    """The action head's network of an agent (a `lapa_edge.runtime.decoding.Head`)."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    @torch.inference_mode()
    def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """``f32 [in] -> f32 [out]``."""
        output: NDArray[np.float32] = self._agent(torch.from_numpy(x)[None])[0].numpy()
        return output


def checkpoint_head(spec: PolicySpec, agent: Agent) -> Head:
    """The whole head of an agent, decoding included: a normalised chunk ``f32 [p * a]``."""
    bins = None
    if agent.bins is not None:
        bins = BinTable(agent.bins.means.numpy(), agent.bins.count.numpy())
    return decode_head(CheckpointHead(agent), spec, bins)


def open_checkpoint(job: RolloutJob, instruction: str) -> Session:
    """The session of a job's stage-3 run."""
    torch.set_num_threads(1)  # several jobs run side by side
    return open_run(Path(job.checkpoint), instruction)


def open_run(root: Path, instruction: str) -> Session:
    """The session of a stage-3 run, on the CPU."""
    config, agent = read_agent(RunDirectory(root))
    policy = CheckpointPolicy(config.spec, config.tokenizer, agent, instruction)
    return Session.of(config.spec, policy, checkpoint_head(config.spec, agent))


def run_checkpoint_job(job: RolloutJob) -> JobAnswer:
    """`run_job` of a checkpoint: what a worker process is given."""
    return run_job(job, open_checkpoint)
