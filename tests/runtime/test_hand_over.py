"""A new latent takes over in a straight line; what the robot is told stays as fresh as it was."""

import numpy as np
import pytest
from bundles import tiny_spec, write_tiny_bundle
from control_loops import STATE

from lapa_edge.runtime.hand_over import HandOver
from lapa_edge.runtime.policy import Latent
from lapa_edge.runtime.session import Session
from lapa_edge.spec import HEAD_PARTS, TimingSpec

RATE_HZ = 50
BLEND_TICKS = 4
TIMING = TimingSpec(policy_hz=10.0, max_latent_age_s=0.5, blend_s=BLEND_TICKS / RATE_HZ)


def build_latent(value, seen_at_s):
    filled = np.full(3, value, np.float32)
    return Latent(np.zeros(1, np.int32), filled, -filled, seen_at_s)


class Ticks:
    """A robot that moves at every tick, unless told; keeps what the head is told."""

    def __init__(self, timing=TIMING):
        self.hand_over, self.now_s, self.ticks = HandOver(timing, RATE_HZ), 0.0, 0

    def accept(self, value, age_s=0.1):
        self.ticks = 0
        self.hand_over.accept(build_latent(value, self.now_s - age_s))

    def go(self, count=1, *, moved=True):
        told = []
        for _ in range(count):
            latent = self.hand_over.mix(self.ticks, self.now_s)
            assert (latent.context == -latent.vector).all(), "context and latent go together"
            told.append(float(latent.vector[0]))
            self.hand_over.note(moved=moved)
            self.now_s += 1 / RATE_HZ
            self.ticks += 1
        return told


@pytest.fixture
def driven():
    """Driven by latents of 0 so far."""
    ticks = Ticks()
    ticks.accept(0)
    assert ticks.go(BLEND_TICKS) == [0] * BLEND_TICKS
    return ticks


def test_the_first_latent_drives_at_once():
    ticks = Ticks()
    ticks.accept(8)
    assert ticks.go(3) == [8, 8, 8]


def test_a_latent_takes_over_in_equal_steps_and_then_drives_alone(driven):
    driven.accept(8)
    assert driven.go(6) == pytest.approx([2, 4, 6, 8, 8, 8])


def test_once_arrived_the_head_is_told_the_newest_itself(driven):
    driven.accept(8)
    driven.go(BLEND_TICKS)
    newest = build_latent(1, driven.now_s)
    driven.ticks = 0
    driven.hand_over.accept(newest)
    driven.go(BLEND_TICKS - 1)
    assert driven.hand_over.mix(BLEND_TICKS - 1, driven.now_s) is newest


def test_a_share_of_a_tick_is_the_last_step():
    ticks = Ticks(TimingSpec(policy_hz=10.0, max_latent_age_s=0.5, blend_s=2.5 / RATE_HZ))
    ticks.accept(0)
    ticks.go()
    ticks.accept(10)
    assert ticks.go(4) == pytest.approx([4, 8, 10, 10])


@pytest.mark.parametrize("blend_s", [0.0, 1 / RATE_HZ])
def test_within_one_tick_a_latent_drives_at_once(blend_s):
    ticks = Ticks(TimingSpec(policy_hz=10.0, max_latent_age_s=0.5, blend_s=blend_s))
    ticks.accept(0)
    ticks.go()
    ticks.accept(8)
    assert ticks.go() == [8]


def test_a_latent_on_the_way_to_another_goes_on_from_there(driven):
    driven.accept(8)
    assert driven.go(2) == pytest.approx([2, 4])
    driven.accept(0)
    assert driven.go(5) == pytest.approx([3, 2, 1, 0, 0], abs=1e-6)


def test_a_latent_that_never_drove_leads_to_nothing(driven):
    driven.accept(800)
    driven.accept(8)
    assert driven.go() == [2]


def test_latents_faster_than_the_blend_are_followed_all_the_same(driven):
    told = 0
    for value in range(1, 50):
        driven.accept(value)
        (told,) = driven.go()
    assert 49 - told == pytest.approx(BLEND_TICKS - 1, abs=0.1)


def test_after_a_stop_the_newest_drives_at_once(driven):
    driven.go(moved=False)
    driven.accept(8)
    assert driven.go(2) == [8, 8]


def test_a_stop_on_the_way_ends_it(driven):
    driven.accept(8)
    assert driven.go() == [2]
    driven.go(moved=False)
    assert driven.go(2) == [8, 8]


def test_a_new_episode_is_led_by_nothing(driven):
    driven.hand_over.forget()
    driven.accept(8)
    assert driven.go() == [8]


@pytest.mark.parametrize(("paused_s", "first"), [(0.3, 2), (0.5, 8), (-9.0, 8)])
def test_a_look_that_is_too_old_leads_to_nothing(driven, paused_s, first):
    """The last one was 0.1 s old at its first tick, 0.18 s ago; of the future it is as bad."""
    driven.now_s += paused_s
    driven.accept(8)
    assert driven.go() == [first]


def test_what_was_told_is_as_old_as_its_parts_on_average(driven):
    before_s = driven.now_s
    driven.accept(8)
    driven.go()
    mixed = driven.hand_over.mix(1, driven.now_s)
    assert mixed.seen_at_s == pytest.approx((-0.1 + (before_s - 0.1)) / 2)


def test_the_same_look_handed_over_again_goes_on(driven):
    driven.accept(8)
    assert driven.go(2) == pytest.approx([2, 4])
    driven.hand_over.accept(build_latent(8, driven.now_s - 0.14))
    assert driven.go(3) == pytest.approx([6, 8, 8])


def test_a_latent_that_is_not_finite_taints_every_mixture_with_it(driven):
    driven.accept(np.nan)
    assert np.isnan(driven.hand_over.mix(0, driven.now_s).vector).all()


# As the session drives.


class Recorder:
    """A head that stands still and keeps what it is told."""

    def __init__(self, spec):
        self.at, self.told, self.action = spec.head_slices(), [], np.zeros(spec.chunk_dim)

    def forward(self, x):
        self.told.append({name: x[part].copy() for name, part in self.at.items()})
        return self.action.astype(np.float32)


@pytest.fixture
def session(tmp_path):
    bundle = write_tiny_bundle(tmp_path / "tiny", blend_s=TIMING.blend_s)
    spec = tiny_spec(blend_s=TIMING.blend_s)
    spec = type(spec)(
        **{name: getattr(spec, name) for name in spec.__struct_fields__ if name != "head_inputs"},
        head_inputs=HEAD_PARTS,
    )
    return Session.of(spec, Session(bundle, "push left").policy, Recorder(spec))


def give(session, value, seen_at_s):
    vector, context = np.full(6, value, np.float32), np.full(4, value, np.float32)
    session.accept(Latent(np.zeros(2, np.int32), vector, context, seen_at_s))


def test_age_and_chunk_index_are_the_newest_latents_from_its_first_tick(session):
    give(session, 0, 0.0)
    for tick in range(5):
        session.act(STATE, 0.1 + tick / RATE_HZ)
    give(session, 8, 0.1)
    command = session.act(STATE, 0.2)
    told = session.head.told[-1]
    assert set(told["latent"]) == set(told["context"]) == {2}
    assert command.latent_age_s == pytest.approx(0.1)
    assert told["latent_age"] == pytest.approx(0.1 / 0.5)
    assert told["chunk_index"] == 0


def test_a_newest_latent_that_is_too_old_stops_whatever_leads_to_it(session):
    give(session, 0, 0.0)
    session.act(STATE, 0.1)
    give(session, 8, -0.5)  # an answer that came very late
    assert "more than 0.500 s" in session.act(STATE, 0.12).stopped


@pytest.mark.parametrize("stop", ["state", "caller"])
def test_a_session_that_stops_on_the_way_goes_on_with_the_newest(session, stop):
    give(session, 0, 0.0)
    session.act(STATE, 0.1)
    give(session, 8, 0.1)
    session.act(STATE, 0.12)
    if stop == "state":
        assert session.act(STATE * np.float32(np.nan), 0.14).stopped
    else:
        session.stop("an old image")
    session.act(STATE, 0.16)
    assert [told["latent"][0] for told in session.head.told] == [0, 2, 8]


def test_a_session_that_is_reset_is_led_by_nothing(session):
    give(session, 0, 0.0)
    session.act(STATE, 0.1)
    session.reset()
    give(session, 8, 0.1)
    session.act(STATE, 0.12)
    assert session.head.told[-1]["latent"][0] == 8
