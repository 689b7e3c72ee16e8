"""The rows of a comparison: methods as they come, lapa in other latent spaces, heads without age.

A variant's name is the folder of its trainings. Where the latent space is the usual one, stages 1
and 2 of a seed are shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lapa_edge.compare.config import CompareConfig
from lapa_edge.compare.outcomes import Condition
from lapa_edge.errors import ConfigError
from lapa_edge.evaluate.execution import ExecutionMode
from lapa_edge.spec import HeadPart
from lapa_edge.train.methods import MethodConfig

AGES: tuple[HeadPart, ...] = ("latent_age", "chunk_index")
TWO_RATE: ExecutionMode = "two-rate"
# UniPi imagines a plan and plays it; a head that is asked anew would only ever begin it.
EXECUTION: dict[str, ExecutionMode] = {"unipi": "open-loop"}


@dataclass(frozen=True)
class Variant:
    """One row.

    Attributes:
        name: unique in its comparison.
        method: of `train.methods.METHODS`.
        training: its settings, but for the seed.
        shares: whether it takes what the methods of one seed share.
        conditions: in which it is driven closed loop, the usual one first; none without.
    """

    name: str
    method: str
    training: MethodConfig
    shares: bool
    conditions: tuple[Condition, ...]


def variants(config: CompareConfig) -> tuple[Variant, ...]:
    """Every row that the file asks for, in its order."""
    found = []
    for method in config.methods:
        usual = usual_condition(config, method)
        found.append(
            Variant(method, method, config.training, True, usual + _ways(config, method, usual))
        )
        if config.ablation and config.ablation.without_age and method in config.ablation.methods:
            blind = replace(config.training, head_inputs=without_age(config.training))
            late = usual + _latencies(config, (TWO_RATE,), usual)
            found.append(Variant(f"{method}-no-age", method, blind, True, late))
    return (*found, *grid_variants(config, usual_condition(config, "lapa")))


def usual_condition(config: CompareConfig, method: str) -> tuple[Condition, ...]:
    """How a method is driven where nothing else is asked; empty without a closed loop."""
    if config.evaluation is None:
        return ()
    return (Condition(EXECUTION.get(method, TWO_RATE), config.evaluation.latency_s),)


def grid_variants(
    config: CompareConfig, conditions: tuple[Condition, ...] = ()
) -> tuple[Variant, ...]:
    """lapa with every n and k of the grid; none without one."""
    if config.grid is None:
        return ()
    usual = config.training.n, config.training.k
    return tuple(
        Variant(
            grid_name(n, k),
            "lapa",
            replace(config.training, n=n, k=k),
            (n, k) == usual,
            conditions,
        )
        for n in config.grid.n
        for k in config.grid.k
    )


def grid_name(n: int, k: int) -> str:
    """The variant's name."""
    return f"lapa-n{n}-k{k}"


def choose(every: Sequence[Variant], only: Sequence[str]) -> tuple[Variant, ...]:
    """The variants named by `only`; all where it is empty.

    Raises:
        ConfigError: a name that the comparison does not have.
    """
    names = [variant.name for variant in every]
    for name in only:
        if name not in names:
            raise ConfigError("--only", f"expected some of {', '.join(names)}, got {name}")
    return tuple(variant for variant in every if not only or variant.name in only)


def without_age(training: MethodConfig) -> tuple[HeadPart, ...]:
    """The parts of the head's input that do not tell the latent's age."""
    # For how long a latent has driven is its age, less a delay that changes little.
    return tuple(part for part in training.head_inputs if part not in AGES)


def _ways(
    config: CompareConfig, method: str, usual: tuple[Condition, ...]
) -> tuple[Condition, ...]:
    if config.ablation is None or method not in config.ablation.methods:
        return ()
    return _latencies(config, config.ablation.execution, usual)


def _latencies(
    config: CompareConfig, executions: Sequence[ExecutionMode], usual: tuple[Condition, ...]
) -> tuple[Condition, ...]:
    assert config.ablation
    asked = [Condition(e, s) for e in executions for s in config.ablation.latency_s]
    return tuple(one for one in dict.fromkeys(asked) if one not in usual)
