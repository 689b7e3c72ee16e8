"""Bins and flow on the robot: right bins, no default action, noise that stays with its latent."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from bundles import tiny_files, tiny_spec
from safetensors.numpy import load, save

from lapa_edge.artifact import write_bundle
from lapa_edge.errors import BundleError, ConfigError
from lapa_edge.runtime.control_loop import ControlLoop
from lapa_edge.runtime.decoding import BinTable, decode_head
from lapa_edge.runtime.head import build_head
from lapa_edge.runtime.session import Session

TABLE = BinTable(
    means=np.array([[-1.0, 0.0, 1.0], [5.0, 6.0, 6.0]], np.float32),
    count=np.array([3, 2], np.int32),
)


class Fixed:
    """A network that always says the same and keeps what it was told."""

    def __init__(self, output):
        self.output, self.told = np.asarray(output, np.float32), []

    def forward(self, x):
        self.told.append(x.copy())
        return self.output


def decoded_spec(decoding):
    spec = tiny_spec()
    extra = {"bins": {"bins": 3}, "flow": {"flow_steps": 4}}[decoding]
    action = msgspec.structs.replace(spec.action, decoding=decoding, **extra)
    return msgspec.structs.replace(spec, action=action)


def decoded_bundle(root, decoding, **arrays):
    spec = decoded_spec(decoding)
    files = tiny_files(spec)
    tables = {f"action_bins.{name}": array for name, array in arrays.items()}
    files["weights.safetensors"] = save({**load(files["weights.safetensors"]), **tables})
    return write_bundle(root, spec, files, {})


def told(spec, seed=0):
    return np.random.default_rng(seed).standard_normal(spec.head_told_dim, np.float32)


def test_the_likeliest_bin_that_is_there_gives_its_mean():
    spec = decoded_spec("bins")
    logits = np.zeros((2, 2, 3))
    logits[0, 0, 2] = logits[0, 1, 0] = logits[1, 0, 1] = 4
    logits[1, 1] = 1, 2, 9  # the third bin of this action is not there
    chunk = decode_head(Fixed(logits.ravel()), spec, TABLE).forward(told(spec))
    assert chunk.tolist() == [1, 5, 0, 6]


@pytest.mark.parametrize("bin_index", [-1, 2, 7])
def test_a_bin_out_of_range_is_an_error_and_no_action(bin_index):
    with pytest.raises(ValueError, match=rf"bin {bin_index} of action 1 in step 1 is outside 0 to"):
        TABLE.values(np.array([[0, 1], [2, bin_index]]))


def test_logits_that_are_not_finite_choose_nothing():
    spec = decoded_spec("bins")
    head = decode_head(Fixed(np.full(12, np.nan)), spec, TABLE)
    with pytest.raises(ValueError, match="not finite"):
        head.forward(told(spec))


def test_sampled_bins_follow_their_likelihood_and_stay_with_the_latent():
    spec = decoded_spec("bins")
    logits = np.log(np.array([[0.2, 0.3, 0.5], [0.6, 0.4, 1e-9]], np.float32))
    head = decode_head(Fixed(np.tile(logits, (2, 1, 1)).ravel()), spec, TABLE, seed=3)
    chunks = np.stack([head.forward(told(spec, seed)) for seed in range(600)])
    assert (chunks[:, 0] == 1).mean() == pytest.approx(0.5, abs=0.07)  # three deviations
    assert (chunks[:, 1] == 5).mean() == pytest.approx(0.6, abs=0.07)
    x = told(spec)
    later = x.copy()
    later[-2:] += 1  # an older latent, another last action
    assert np.array_equal(head.forward(x), head.forward(later))


def test_a_flow_follows_its_velocity_from_noise_in_equal_steps():
    spec = decoded_spec("flow")
    network = Fixed(np.full(4, 2.0))
    x = told(spec)
    chunk = decode_head(network, spec).forward(x)
    at = spec.head_slices()
    noise = network.told[0][at["noisy_chunk"]]
    np.testing.assert_allclose(chunk, noise + 2, rtol=1e-6)
    assert [float(asked[at["flow_time"]][0]) for asked in network.told] == [0, 0.25, 0.5, 0.75]
    assert all(np.array_equal(asked[: len(x)], x) for asked in network.told)
    np.testing.assert_allclose(network.told[2][at["noisy_chunk"]], noise + 1, rtol=1e-6)


def test_noise_is_drawn_once_per_latent_and_repeats_with_the_seed():
    spec = decoded_spec("flow")
    heads = {seed: decode_head(Fixed(np.zeros(4)), spec, seed=seed) for seed in (1, 2)}
    x = told(spec)
    first = heads[1].forward(x)
    other = x.copy()
    other[0] += 1
    assert not np.array_equal(heads[1].forward(other), first)
    assert np.array_equal(heads[1].forward(x), first)  # whatever came between
    assert not np.array_equal(heads[2].forward(x), first)


@pytest.mark.parametrize("decoding", ["bins", "flow"])
def test_both_backends_of_a_bundle_decode_alike_and_drive_a_session(tmp_path, decoding):
    tables = {"means": TABLE.means, "count": TABLE.count} if decoding == "bins" else {}
    bundle = decoded_bundle(tmp_path / "tiny", decoding, **tables)
    native, onnx = build_head(bundle), build_head(bundle, "onnx")
    for seed in range(10):
        x = told(bundle.spec, seed)
        np.testing.assert_allclose(native.forward(x), onnx.forward(x), rtol=1e-4, atol=1e-5)
    session = Session(bundle, "push")
    session.accept(session.look(np.zeros((20, 30, 3), np.uint8), 0.0))
    assert session.act(np.zeros(3, np.float32), 0.1).stopped is None


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({}, r"expected means \[2, 3\] and count \[2\], got none"),
        ({"means": TABLE.means[:1], "count": TABLE.count}, r"got .*means \[1, 3\]"),
        ({"means": TABLE.means, "count": TABLE.count + 1}, "1 to 3 bins"),
        ({"means": TABLE.means * np.float32("nan"), "count": TABLE.count}, "expected finite means"),
    ],
)
def test_a_damaged_table_of_bins_is_refused(tmp_path, arrays, problem):
    with pytest.raises(BundleError, match=f"action_bins: .*{problem}"):
        build_head(decoded_bundle(tmp_path / "tiny", "bins", **arrays))


def test_the_native_loop_says_what_drives_such_a_bundle(tmp_path):
    bundle = decoded_bundle(tmp_path / "tiny", "flow")
    with pytest.raises(ConfigError, match=r'"direct" decoding, got "flow"; drive .* Session\.act'):
        ControlLoop(bundle)
