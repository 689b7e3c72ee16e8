"""What the node says of itself; no ROS."""

import pytest
from lapa_edge_ros.diagnostics import ASKED_FOR, Level, Report, assess, values

from lapa_edge.runtime.motion_gate.reasons import StopReason

MOVING = {"state": "active", "expected_image_hz": 30.0, "image_hz": 29.5, "control_hz": 100.0}


def assessed(**changes):
    return assess(Report(**(MOVING | changes)))


def test_a_robot_that_moves_on_every_image_is_well():
    assert assessed() == (Level.OK, "moving")


def test_a_node_that_is_not_active_has_no_complaint():
    assert assess(Report(state="inactive", expected_image_hz=30.0)) == (Level.OK, "inactive")


@pytest.mark.parametrize("reason", StopReason)
def test_a_stop_nobody_asked_for_is_an_error_and_any_other_a_warning(reason):
    level, message = assessed(reason=reason, stopped="because")
    assert level == (Level.WARN if reason in ASKED_FOR else Level.ERROR)
    assert message == "stopped: because"


def test_images_below_the_expected_rate_name_the_cause_seen_most():
    level, message = assessed(image_hz=12.0)
    assert level == Level.WARN
    assert "images at 12.0 Hz, expected 30.0" in message
    for word in ("Fast DDS", "camera's process", "shared-memory", "config/fastdds_images.xml"):
        assert word in message


def test_a_camera_that_stalls_is_an_error_that_names_both():
    level, message = assessed(image_hz=0.0, reason=StopReason.IMAGE_AGE, stopped="image is old")
    assert level == Level.ERROR
    assert "image is old" in message
    assert "fastdds_images.xml" in message


def test_a_failed_policy_is_an_error():
    assert assessed(failure="inference failed: x") == (Level.ERROR, "inference failed: x")


def test_commands_that_cannot_be_sent_are_an_error_whatever_else_is_well():
    why = "commands are not sent: OSError('no route')"
    assert assessed(unsent_because=why) == (Level.ERROR, why)
    told = values(Report(**MOVING, unsent=7, unsent_because=why))
    assert (told["commands not sent"], told["not sent because"]) == ("7", why)


def test_doing_without_the_native_loop_is_a_warning():
    level, message = assessed(fallback="bins")
    assert (level, message) == (Level.WARN, "without the native loop: bins")


def test_rate_and_jitter_are_those_of_the_commands_begun():
    # 100 Hz, with one tick 4 ms late.
    ticks_s = [i / 100 for i in range(50)] + [0.504] + [i / 100 for i in range(51, 101)]
    told = values(Report(**MOVING, ticks_s=ticks_s))
    assert told["control rate (Hz)"] == "100.00"
    assert told["control jitter p50 (ms)"] == "0.0"
    assert told["control jitter p99 (ms)"] == "4.0"


def test_times_are_told_in_milliseconds_and_what_is_unknown_as_a_dash():
    told = values(
        Report(**MOVING, image_age_s=0.0123, looks_s=[0.06] * 10, latent_age_s=float("nan"))
    )
    assert told["image age (ms)"] == "12.3"
    assert told["policy p50 (ms)"] == told["policy p99 (ms)"] == "60.0"
    assert told["latent age (ms)"] == told["control rate (Hz)"] == "-"


def test_stops_and_clamps_are_told_by_name():
    told = values(Report(**MOVING, stops={"image_age": 3}, clamps={"workspace": 7}))
    assert told["stops: image_age"] == "3"
    assert told["clamps: workspace"] == "7"
