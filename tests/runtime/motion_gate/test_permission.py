"""Each reason alone, its words, its limit to the last digit, and the order of all."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from motion_gates import AGES, NOW_S, ROS_NOW_S, fresh, wants

from lapa_edge.runtime.motion_gate.latches import LatchState
from lapa_edge.runtime.motion_gate.permission import first_stop
from lapa_edge.runtime.motion_gate.reasons import StopReason

NAN = float("nan")
FREE = LatchState(enabled=True)
LIMITS = replace(AGES, chunk_timeout_s=0.3, estop_timeout_s=0.4)

# What brings each about: changes to the latch, to the facts, and a command in place of the good
# one. In the order in which they are to be told.
CAUSES = [
    (StopReason.ESTOP, {"estop": True, "estop_latched": True}, {}, None),
    (StopReason.STOPPED, {"stopped": True}, {}, None),
    (StopReason.NOT_ENABLED, {"enabled": False}, {}, None),
    (StopReason.ESTOP_SILENT, {}, {"estop_age_s": 0.41}, None),
    (StopReason.CLOCK, {}, {"chunk_age_s": -0.001}, None),
    (StopReason.NO_IMAGE, {}, {"image_received_s": None}, None),
    (StopReason.IMAGE_AGE, {}, {"image_received_s": NOW_S - 0.25}, None),
    (StopReason.STAMP_FUTURE, {}, {"image_stamp_s": ROS_NOW_S + 0.06}, None),
    (StopReason.STAMP_AGE, {}, {"image_stamp_s": ROS_NOW_S - 0.75}, None),
    (StopReason.LATENT_AGE, {}, {"latent_age_s": 0.51}, None),
    (StopReason.NO_STATE, {}, {"state": None}, None),
    (StopReason.STATE_AGE, {}, {"state_age_s": 0.21}, None),
    (StopReason.STATE_NOT_FINITE, {}, {"state": np.array([0, NAN], np.float32)}, None),
    (StopReason.STATE_OUT_OF_RANGE, {}, {}, None),  # what is outside is told beside the facts
    (StopReason.POLICY, {}, {}, wants(0, 0, stopped="the policy has not looked yet")),
    (StopReason.NOT_FINITE, {}, {}, wants(0, NAN)),
    (StopReason.WRONG_SIZE, {}, {}, wants(0, 0, 0)),
    (StopReason.CHUNK_EXHAUSTED, {}, {"chunk_age_s": 0.31}, None),
]
TEXTS = {
    StopReason.ESTOP: "the e-stop is pressed",
    StopReason.STOPPED: "a stop was asked for; reset the stop to move on",
    StopReason.NOT_ENABLED: "motion is not enabled",
    StopReason.ESTOP_SILENT: "the e-stop is silent: it was heard 0.410 s ago, more than 0.400 s",
    StopReason.CLOCK: "chunk age -0.001 s is not a time in the past",
    StopReason.NO_IMAGE: "no image since activation",
    StopReason.IMAGE_AGE: "image is 0.250 s old, more than 0.200 s",
    StopReason.STAMP_FUTURE: "image is stamped 0.060 s ahead of the clock, more than 0.050 s",
    StopReason.STAMP_AGE: "image, by its stamp, is 0.750 s old, more than 0.500 s",
    StopReason.LATENT_AGE: "latent is 0.510 s old, more than 0.500 s",
    StopReason.NO_STATE: "the robot has not told its state yet",
    StopReason.STATE_AGE: "state is 0.210 s old, more than 0.200 s",
    StopReason.STATE_NOT_FINITE: "state is not finite",
    StopReason.STATE_OUT_OF_RANGE: "joint_1 stands outside",
    StopReason.POLICY: "the policy has not looked yet",
    StopReason.NOT_FINITE: "action is not finite",
    StopReason.WRONG_SIZE: "action: expected 2 values, got [3]",
    StopReason.CHUNK_EXHAUSTED: "chunk is exhausted: it began 0.310 s ago, more than 0.300 s",
}


def ask(latch=FREE, facts=None, command=None, ages=LIMITS, s=2, outside=None):
    facts = fresh((0, 0)) if facts is None else facts
    command = wants(0, 0) if command is None else command
    return first_stop(latch, facts, command, ages, a=2, s=s, outside=outside)


def ask_causes(*causes):
    latch, facts, command = FREE, fresh((0, 0)), None
    outside = None
    for reason, latch_changes, fact_changes, other in causes:
        latch, facts = replace(latch, **latch_changes), replace(facts, **fact_changes)
        command = other or command
        if reason is StopReason.STATE_OUT_OF_RANGE:
            outside = TEXTS[reason]
    return ask(latch, facts, command, outside=outside)


def test_where_all_is_well_nothing_stops_the_robot():
    assert ask() is None


def test_every_reason_a_tick_can_have_is_asked_in_the_order_of_the_enum():
    reasons = [reason for reason, *_ in CAUSES]
    assert reasons == list(StopReason)[: len(CAUSES)]
    assert set(StopReason) - set(reasons) == {StopReason.INTERNAL, StopReason.ENDED}


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause[0].value)
def test_each_reason_alone_is_told_with_what_was_measured_and_allowed(cause):
    stop = ask_causes(cause)
    assert (stop.reason, stop.text) == (cause[0], TEXTS[cause[0]])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pair
        for pair in itertools.combinations(CAUSES, 2)
        if not any({*a} & {*b} for a, b in zip(pair[0][1:3], pair[1][1:3], strict=True))
        and not (pair[0][3] and pair[1][3])
    ],
    ids=lambda cause: cause[0].value,
)
def test_of_two_reasons_the_first_in_order_is_told(first, second):
    assert ask_causes(second, first).reason is first[0]


def test_nan_comes_before_a_wrong_size():
    assert ask(command=wants(0, NAN, 0)).reason is StopReason.NOT_FINITE


def test_a_released_estop_says_what_is_to_be_done():
    stop = ask(LatchState(enabled=True, estop_latched=True))
    assert stop.reason is StopReason.ESTOP
    assert "reset" in stop.text


@pytest.mark.parametrize(
    ("field", "age_s", "reason"),
    [
        ("image_received_s", 0.2, StopReason.IMAGE_AGE),
        ("latent_age_s", 0.5, StopReason.LATENT_AGE),
        ("state_age_s", 0.2, StopReason.STATE_AGE),
        ("chunk_age_s", 0.3, StopReason.CHUNK_EXHAUSTED),
        ("estop_age_s", 0.4, StopReason.ESTOP_SILENT),
        ("image_stamp_s", 0.5, StopReason.STAMP_AGE),
        ("image_stamp_s", -0.05, StopReason.STAMP_FUTURE),
    ],
)
def test_as_old_as_its_limit_is_fresh_and_anything_more_is_not(field, age_s, reason):
    def facts(age_s):
        at_zero = replace(fresh((0, 0)), now_s=0.0, ros_now_s=0.0, image_received_s=0.0)
        at_zero = replace(at_zero, image_stamp_s=0.0)
        return replace(at_zero, **{field: age_s if field.endswith("age_s") else -age_s})

    more = np.nextafter(age_s, 9 * np.sign(age_s))
    assert ask(facts=facts(age_s)) is None
    assert ask(facts=facts(float(more))).reason is reason


@pytest.mark.parametrize("age_s", [-1e-9, NAN, float("inf"), -float("inf")])
@pytest.mark.parametrize(
    "field", ["image_received_s", "latent_age_s", "state_age_s", "chunk_age_s"]
)
def test_an_age_that_is_no_time_in_the_past_stops(field, age_s):
    facts = replace(fresh((0, 0)), now_s=0.0, image_received_s=0.0)
    facts = replace(facts, **{field: -age_s if field == "image_received_s" else age_s})
    assert ask(facts=facts).reason is StopReason.CLOCK


@pytest.mark.parametrize("age_s", [NAN, float("inf")])
def test_an_estop_that_was_never_heard_stops_only_where_its_silence_counts(age_s):
    facts = fresh((0, 0), estop_age_s=age_s)
    assert ask(facts=facts).reason is StopReason.ESTOP_SILENT
    assert ask(facts=fresh((0, 0), estop_age_s=float("inf")), ages=AGES) is None


def test_a_stamp_that_is_no_number_stops():
    assert ask(facts=fresh((0, 0), image_stamp_s=NAN)).reason is StopReason.STAMP_FUTURE


def test_a_monotonic_clock_that_went_back_stops():
    assert ask(facts=fresh((0, 0), now_s=NOW_S - 1)).reason is StopReason.CLOCK


def test_images_without_stamps_are_judged_by_receipt_alone():
    assert ask(facts=fresh((0, 0), image_stamp_s=None)) is None


def test_a_policy_that_has_not_looked_says_so_and_not_that_its_clock_is_wrong():
    stop = ask(facts=fresh((0, 0), latent_age_s=NAN), command=wants(0, 0, stopped="not yet"))
    assert (stop.reason, stop.text) == (StopReason.POLICY, "not yet")


def test_a_robot_without_states_needs_none():
    assert ask(facts=replace(fresh(), state=None, state_age_s=NAN), s=0) is None


def test_a_state_of_another_size_stops():
    stop = ask(facts=fresh((0, 0, 0)))
    assert (stop.reason, stop.text) == (
        StopReason.WRONG_SIZE,
        "state: expected 2 values, got [3]",
    )
