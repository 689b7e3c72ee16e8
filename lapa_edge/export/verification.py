"""Everything in a bundle that computes, against the trained agent; what a robot may trust.

    reference = build_reference(config, agent, observations)   # export.reference: needs torch
    report = verify(bundle, reference)                         # no torch: on a robot as well
    bundle = record_verification(bundle, report)               # refuses a report that failed

`verify` compares, by the names in the manifest:

    policy.onnx, action_head.onnx, text_encoder.onnx, weights.safetensors   the bundle as it runs
    policy.PRECISION.onnx, action_head.PRECISION.onnx                       fp16, bf16, int8, fp8
    engines/TARGET/*.engine    by their sidecars' ``onnx``; those that cannot run here say why

`record_verification` adds ``parity.json``, ``VERIFICATION.md`` and, where the reference is new,
``verification.safetensors``: the observations and PyTorch's answers to them, so that engines built
later, on the robot, are held against PyTorch without torch. There `verify(bundle)` is enough.
"""

from __future__ import annotations

from lapa_edge.artifact import Bundle
from lapa_edge.export.parity import ParityReport


def verify(bundle: Bundle, reference: object | None = None) -> ParityReport:
    """What was compared and how far apart it was; `report.passed`, `report.failures`.

    Args:
        bundle: its hashes verified; a mark it carries already does not count.
        reference: PyTorch's answers; the ones in the bundle where not given.

    Raises:
        BundleError: no reference anywhere, a shape that differs, a value that is not finite.
    """
    raise NotImplementedError


def record_verification(
    bundle: Bundle, report: ParityReport, reference: object | None = None
) -> Bundle:
    """The bundle with ``parity.json`` and ``VERIFICATION.md``.

    Raises:
        BundleError: the report failed. A bundle that was marked good before is marked bad first,
            so that the runtime refuses it.
    """
    raise NotImplementedError
