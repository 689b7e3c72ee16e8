"""Each stop and each clamp counted by its name."""

from motion_gates import LATE, build_gate, hand_robot, run

from lapa_edge.runtime.motion_gate.reasons import Clamp, StopReason

GO = (1, 0, 0, 0, 0, 0, 0)


def test_every_name_is_there_before_anything_happened():
    counted = build_gate(hand_robot()).counts.read()
    assert set(counted.stops) == set(counted.stops_begun) == {r.value for r in StopReason}
    assert set(counted.clamps) == {c.value for c in Clamp}
    assert not any((*counted.stops.values(), *counted.clamps.values(), counted.ticks))


def test_stops_count_their_ticks_and_how_often_they_began():
    gate = build_gate(hand_robot())
    for changes in (LATE, LATE, {}, LATE, {"latent_age_s": 9.0}):
        run(gate, GO, **changes)
    gate.end("test")
    counted = gate.counts.read()
    assert {k: v for k, v in counted.stops.items() if v} == {
        "image_age": 3,
        "latent_age": 1,
        "ended": 1,
    }
    assert counted.stops_begun["image_age"] == 2
    assert counted.ticks == 6


def test_clamps_count_their_ticks():
    gate = build_gate(hand_robot(), max_linear_velocity_m_s=0.5, max_acceleration=10.0)
    run(gate, *[GO] * 8)
    counted = gate.counts.read()
    assert counted.clamps["linear_velocity"] == 8
    assert counted.clamps["acceleration"] == 4
    assert counted.clamps["workspace"] == 0


def test_what_was_read_does_not_change():
    gate = build_gate(hand_robot())
    before = gate.counts.read()
    run(gate, GO, **LATE)
    assert before.stops["image_age"] == 0
