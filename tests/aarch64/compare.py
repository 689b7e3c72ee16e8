"""Two machines' answers to one case: the same bits, or an exit code that says no.

python compare.py HERE.npz ROBOT.npz      files from answers.py
"""

import sys

import numpy as np

# The only answers that need not have the same bits, with the largest difference and its reason.
TOLERANCES = {
    "context": (1e-5, "ONNX Runtime adds in the order of its processor's vectors"),
    "actions_alone": (1e-4, "the context above went through a head of seven layers"),
}


def main(here_path: str, robot_path: str) -> int:
    here, robot = np.load(here_path), np.load(robot_path)
    wrong = 0
    expected = {name.partition("@")[0]: here[name] for name in here}
    if missing := expected.keys() - {name.partition("@")[0] for name in robot}:
        print(f"WRONG: the robot gave no {', '.join(sorted(missing))}")
        wrong += 1
    for name in robot:
        good, words = judge(name.partition("@")[0], expected, robot[name])
        if words:
            print(f"{'close' if good else 'WRONG'}: {name}: {words}")
        wrong += not good
    print(f"{len(robot.files)} answers compared, {wrong} of them wrong")
    return int(wrong > 0)


def judge(name: str, expected: dict[str, np.ndarray], got: np.ndarray) -> tuple[bool, str]:
    """Whether an answer is right, and words where it has not the same bits."""
    if name not in expected:
        return False, "this machine gave no such answer"
    want = expected[name]
    if (want.shape, want.dtype) != (got.shape, got.dtype) or not want.size:
        return False, f"expected {want.dtype} {want.shape}, got {got.dtype} {got.shape}"
    if want.tobytes() == got.tobytes():
        return True, ""
    difference = float(np.abs(want.astype(np.float64) - got).max())  # NaN is no agreement
    if name not in TOLERANCES:
        return False, f"differs by up to {difference:.2g}, must have the same bits"
    limit, reason = TOLERANCES[name]
    return difference <= limit, f"differs by up to {difference:.2g} of {limit:g}: {reason}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
