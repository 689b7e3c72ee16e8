"""The fast half on the robot: latent, state, last action and latent age to a chunk of actions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lapa_edge import _native
from lapa_edge.artifact import Bundle
from lapa_edge.errors import BundleError, ConfigError
from lapa_edge.runtime.backends.names import HeadBackend, HeadPrecision
from lapa_edge.runtime.backends.onnx_graph import OnnxGraph
from lapa_edge.runtime.decoding import BinTable, Head, decode_head
from lapa_edge.runtime.mark import check_mark, check_precision
from lapa_edge.runtime.policy import Latent, read_weights
from lapa_edge.spec import PolicySpec


class NativeHead:
    """The head's network as the C++ kernel, fed from ``weights.safetensors``.

    Args:
        bundle: verified.
        precision: of the weights; "int8" needs a bundle that carries its calibration.
    """

    def __init__(self, bundle: Bundle, precision: HeadPrecision = "f32") -> None:
        weights, calibration = read_head(bundle)
        check_head(bundle, weights)
        try:
            head = _native.ActionHead(weights, precision=precision, calibration=calibration)
        except ValueError as error:
            raise BundleError(f"bundle {bundle.root}", f"weights.safetensors: {error}") from error
        self._x = np.zeros(head.input_size, np.float32)
        self._chunk = np.zeros(head.output_size, np.float32)
        self._step = head.bind(self._x, self._chunk).step

    def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """``f32 [in] -> f32 [out]``, the same array at every call; one thread at a time."""
        self._x[:] = x
        self._step()
        return self._chunk


class OnnxHead:
    """The head's network as ``action_head.onnx``, through ONNX Runtime."""

    def __init__(self, bundle: Bundle) -> None:
        self._graph = OnnxGraph(bundle.path("action_head.onnx"))

    def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """``f32 [in] -> f32 [out]``."""
        return self._graph.run(x=x[None])["chunk"][0].astype(np.float32)


def has_calibration(bundle: Bundle) -> bool:
    """Whether the native head of this bundle runs in int8; older ones carry no calibration."""
    return any(name.startswith("action_head.calibration.") for name in read_weights(bundle))


def read_head(
    bundle: Bundle,
) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float32]] | None]:
    """The native head's weights by name, and its calibration by layer where the bundle has one."""
    arrays = _below(read_weights(bundle), "action_head.")
    calibration = _below(arrays, "calibration.")
    weights = {name: array for name, array in arrays.items() if not name.startswith("calibration.")}
    return weights, calibration or None


def check_head(bundle: Bundle, weights: dict[str, NDArray[np.float32]]) -> None:
    """Raise `BundleError` where the weights' sizes are another robot's; no array is packed for it.

    Weights that are no head at all pass: the kernel knows better what is wrong with them.
    """
    first, last = weights.get("input.weight"), weights.get("output.weight")
    if first is None or last is None or first.ndim != 2 or last.ndim != 2:
        return
    expected = (bundle.spec.head_input_dim, bundle.spec.head_output_dim)
    if (got := (first.shape[1], last.shape[0])) != expected:
        raise BundleError(
            f"bundle {bundle.root}",
            f"action head: expected {expected[0]} inputs and {expected[1]} outputs, "
            f"got {got[0]} and {got[1]}",
        )


def _below(arrays: dict[str, NDArray[np.float32]], start: str) -> dict[str, NDArray[np.float32]]:
    """The arrays whose names begin with `start`, by the rest of their names."""
    return {
        name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)
    }


def build_head(
    bundle: Bundle,
    backend: HeadBackend = "native",
    precision: HeadPrecision = "f32",
    seed: int | None = None,
) -> Head:
    """The head of a bundle on the named backend: its input to a chunk, whatever its decoding.

    Args:
        bundle: verified.
        backend: what runs its network.
        precision: of the weights; for the native backend alone.
        seed: see `decode_head`.

    Raises:
        BundleError: its weights are damaged or another robot's, or the precision does not fit it.
        ConfigError: another precision than "f32" for ONNX Runtime.
    """
    return decode_head(
        _build_network(bundle, backend, precision), bundle.spec, read_bins(bundle), seed
    )


def _build_network(bundle: Bundle, backend: HeadBackend, precision: HeadPrecision) -> Head:
    if backend == "native":
        check_precision(bundle, precision)
        return NativeHead(bundle, precision)
    if precision != "f32":
        problem = f'expected "f32" for ONNX Runtime, got "{precision}"'
        raise ConfigError("head precision", problem, "choose the native backend")
    check_mark(bundle)
    return OnnxHead(bundle)


def read_bins(bundle: Bundle) -> BinTable | None:
    """The table of a head of bins, None for other heads.

    Raises:
        BundleError: it is missing, of another size, or holds what is no action.
    """
    action = bundle.spec.action
    if action.decoding != "bins":
        return None
    arrays = _below(read_weights(bundle), "action_bins.")
    means, count = arrays.get("means"), arrays.get("count")
    a = len(action.names)
    if means is None or count is None or means.shape != (a, action.bins) or count.shape != (a,):
        got = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items()) or "none"
        problem = f"expected means [{a}, {action.bins}] and count [{a}], got {got}"
    elif not np.isfinite(means).all() or count.min() < 1 or count.max() > action.bins:
        problem = f"expected finite means and 1 to {action.bins} bins, got other values"
    else:
        return BinTable(means.astype(np.float32), count.astype(np.int32))
    raise BundleError(f"bundle {bundle.root}", f"action_bins: {problem}", "export it again")


class HeadInput:
    """Assembles the head's input from its parts, `PolicySpec.head_inputs`, in their order.

    Args:
        spec: of the bundle.
        rate_hz: control ticks per second, where they are not the spec's ``control_hz``.
    """

    def __init__(self, spec: PolicySpec, rate_hz: float | None = None) -> None:
        slices = spec.head_slices()
        self._at = {part: slices[part] for part in spec.head_inputs}
        # What a decoding asks of its network beyond these parts lies behind them.
        self._vector = np.zeros(max(part.stop for part in self._at.values()), np.float32)
        self._state = _Normaliser(spec.state.mean, spec.state.std)
        self.action = _Normaliser(spec.action.mean, spec.action.std)
        self._max_age_s = spec.timing.max_latent_age_s
        self._max_ticks = self._max_age_s * (rate_hz or spec.action.control_hz)

    def fill(
        self,
        latent: Latent,
        state: NDArray[np.float32],
        last_action: NDArray[np.float32],
        latent_age_s: float,
        ticks: int = 0,
    ) -> NDArray[np.float32]:
        """``f32 [in]``, the same array at every call; all arguments in physical units.

        `ticks` is the chunk index: control ticks since this latent took over, 0 at the first.
        """
        x, at = self._vector, self._at
        x[at["latent"]] = latent.vector
        x[at["context"]] = latent.context
        x[at["state"]] = self._state.normalise(state)
        if "last_action" in at:
            x[at["last_action"]] = self.action.normalise(last_action)
        if "latent_age" in at:
            x[at["latent_age"]] = latent_age_s / self._max_age_s
        if "chunk_index" in at:
            x[at["chunk_index"]] = ticks / self._max_ticks
        return x


class _Normaliser:
    """``(x - mean) / std`` and back.

    What overflows becomes infinite without a warning: the session stops on what is not finite.
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        self._mean, self._std = np.array(mean, np.float32), np.array(std, np.float32)

    def normalise(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):
            return (x - self._mean) / self._std

    def restore(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):
            return x * self._std + self._mean
