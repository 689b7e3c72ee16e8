"""From the camera's bytes to the robot's command, once, and what each part of the way took.

    decode           NV12 to RGB, where the camera gives NV12
    preprocess       RGB to the network's planes
    host_to_device   \\
    enqueue           | a backend on a GPU; on the CPU it is one part, "cpu"
    gpu               |
    device_to_host   /
    codes            logits to codes and their vectors
    head             latent, state and age to a chunk, on the head's backend
    safety           chunk to a command that is finite and bounded
    total            all of it, from the first byte to the command

The parts are those of `Session`, called one by one; "total" has the clock's own cost within, some
50 ns a part.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lapa_edge import _native
from lapa_edge.artifact import Bundle
from lapa_edge.errors import ConfigError
from lapa_edge.runtime.backends.graph import StagedGraph
from lapa_edge.runtime.backends.opening import open_graph
from lapa_edge.runtime.decoding import Head
from lapa_edge.runtime.head import HeadInput, build_head
from lapa_edge.runtime.policy import Latent, Policy, read_tokenizer
from lapa_edge.runtime.profiling_plan import Choice
from lapa_edge.runtime.safety import Command, SafetyGate

PARTS = (
    "decode", "preprocess", "host_to_device", "enqueue", "gpu", "device_to_host", "cpu", "codes",
    "head", "safety", "total",
)  # fmt: skip


class Pipeline:
    """One bundle, opened as chosen, in front of one random observation.

    Args:
        bundle: verified.
        choice: what of it runs where.
        graph: a policy that is open already, in place of the chosen one.

    Raises:
        ConfigError: an NV12 frame of an odd size, or a frame of no size.
    """

    def __init__(self, bundle: Bundle, choice: Choice, graph: StagedGraph | None = None) -> None:
        rng, spec = np.random.default_rng(choice.seed), bundle.spec
        height, width = choice.camera
        odd = choice.camera_format == "nv12" and (height % 2 or width % 2)
        if min(height, width) < 1 or odd:
            rule = "even, at least 2" if choice.camera_format == "nv12" else "at least 1"
            raise ConfigError("camera", f"expected rows and columns {rule}, got {height} {width}")
        self.graph = graph or open_graph(
            bundle, choice.graph, choice.backend, choice.device, choice.threads
        )
        # How long the policy takes does not depend on the words: one of its own does.
        self.policy = Policy(bundle, read_tokenizer(bundle).known_word(), graph=self.graph)
        self.head: Head = build_head(bundle, choice.head, choice.head_precision)
        self._input = HeadInput(spec)
        self._gate = SafetyGate(spec.action, spec.timing.max_latent_age_s)
        self.state = np.array(spec.state.mean, np.float32)
        self.told = self.state if spec.policy_state else None
        self._decodes = choice.camera_format == "nv12"
        shape = (height * 3 // 2, width) if self._decodes else (height, width, 3)
        self.seen = [rng.integers(0, 256, shape, np.uint8) for _ in spec.cameras]

    @property
    def parts(self) -> tuple[str, ...]:
        """Those of `PARTS` that this pipeline has."""
        absent = {"decode"} if not self._decodes else set()
        others = {"host_to_device", "enqueue", "gpu", "device_to_host", "cpu"}
        absent |= others - set(self.graph.stages)
        return tuple(name for name in PARTS if name not in absent)

    def run(self) -> Command:
        """Frame to command; nothing is timed."""
        return self.act(self.look())

    def look(self) -> Latent:
        """The slow half: decode to codes."""
        return self.policy.look(self.seen_rgb(), 0.0, self.told)

    def act(self, latent: Latent) -> Command:
        """The fast half: head and safety."""
        return self._pass(self._move(latent))

    def run_timed(self, clock: Callable[[], int] = time.perf_counter_ns) -> dict[str, int]:
        """Nanoseconds of each of `parts`."""
        took: dict[str, int] = {}
        began = mark = clock()
        frames = self.seen_rgb()
        if self._decodes:
            took["decode"] = (mark := clock()) - began
        inputs = self.policy.inputs(frames, self.told)
        took["preprocess"] = clock() - mark
        answer, stages = self.graph.run_staged(**inputs)
        took.update((str(stage), spent) for stage, spent in stages.items())
        mark = clock()
        latent = self.policy.read(answer, 0.0)
        took["codes"] = (after := clock()) - mark
        chunk = self._move(latent)
        took["head"] = (mark := clock()) - after
        self._pass(chunk)
        ended = clock()
        return {**took, "safety": ended - mark, "total": ended - began}

    def seen_rgb(self) -> list[NDArray[np.uint8]]:
        """What the cameras show, decoded where it has to be: ``u8 [H, W, 3]`` of each."""
        return [_native.nv12_to_rgb(x) for x in self.seen] if self._decodes else self.seen

    def _move(self, latent: Latent) -> NDArray[np.float32]:
        x = self._input.fill(latent, self.state, self._gate.last_action, 0.0)
        return self.head.forward(x)

    def _pass(self, chunk: NDArray[np.float32]) -> Command:
        self._gate.see(self.state)
        action = self._input.action.restore(chunk[: len(self.policy.spec.action.names)])
        return self._gate.pass_action(action, 0.0)
