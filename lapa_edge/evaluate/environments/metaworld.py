"""Meta-World v3: MuJoCo manipulation scenes with scripted experts (Yu et al. 2019, 1910.10897).

The arm is commanded by small displacements of its hand at 80 Hz; the state holds the hand alone,
so where the objects are must come from the picture, and what to do with them from the words.

All 50 tasks; reset to seeds 500 to 504, the experts solve 249 of 250 episodes (one of `disassemble`
fails) in 20 to 169 steps. Goals that are mere places are drawn as balls. The camera looks closely
at the middle of the table, so that handles and buttons are more than a few of a policy's pixels: in
some tasks the hand starts at the left edge, `stick-pull` and `sweep` end with the arm before the
lens, and the ball of `stick-pull` lies outside. `sweep` draws no goal: its words say where.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import RobotSpec
from lapa_edge.errors import MissingDependencyError
from lapa_edge.evaluate.environment import Entry, check_task
from lapa_edge.evaluate.environments.installed import absent

# The tasks in words. Some share a scene (faucet, reach) or a thing (window, drawer, door), so that
# only the instruction, or it and the thing's state, says what is wanted.
INSTRUCTIONS = {
    "assembly": "put the ring onto the peg",
    "basketball": "drop the ball into the basket",
    "bin-picking": "move the cube from the red bin to the blue bin",
    "box-close": "put the lid on the box",
    "button-press": "press the red button on the wall",
    "button-press-topdown": "press the red button from above",
    "button-press-topdown-wall": "press the red button behind the wall from above",
    "button-press-wall": "reach around the wall and press the red button",
    "coffee-button": "push the button of the coffee machine",
    "coffee-pull": "pull the mug away from the coffee machine",
    "coffee-push": "push the mug under the coffee machine",
    "dial-turn": "turn the dial",
    "disassemble": "lift the ring off the peg",
    "door-close": "close the door of the safe",
    "door-lock": "lock the door by turning the knob down",
    "door-open": "open the door of the safe",
    "door-unlock": "unlock the door by turning the knob",
    "drawer-close": "close the green drawer",
    "drawer-open": "open the green drawer",
    "faucet-close": "turn the faucet off",
    "faucet-open": "turn the faucet on",
    "hammer": "hit the nail with the hammer",
    "hand-insert": "put the block into the hole in the table",
    "handle-press": "press the handle down",
    "handle-press-side": "press the handle down from the side",
    "handle-pull": "pull the handle up",
    "handle-pull-side": "pull the handle up from the side",
    "lever-pull": "pull the lever up",
    "peg-insert-side": "insert the peg into the hole of the box",
    "peg-unplug-side": "unplug the peg",
    "pick-out-of-hole": "take the block out of the hole",
    "pick-place": "carry the block to the blue ball",
    "pick-place-wall": "carry the block over the wall to the blue ball",
    "plate-slide": "slide the plate into the goal",
    "plate-slide-back": "slide the plate out of the goal to the front",
    "plate-slide-back-side": "slide the plate out of the goal to the side",
    "plate-slide-side": "slide the plate sideways into the goal",
    "push": "push the block to the green ball",
    "push-back": "pull the block back to the green ball",
    "push-wall": "push the block around the wall to the green ball",
    "reach": "move the hand to the red ball",
    "reach-wall": "move the hand over the wall to the red ball",
    "shelf-place": "put the block on the shelf",
    "soccer": "push the ball into the goal",
    "stick-pull": "pull the thermos with the stick",
    "stick-push": "push the thermos with the stick",
    "sweep": "sweep the block off the table",
    "sweep-into": "sweep the block into the hole",
    "window-close": "close the window",
    "window-open": "open the window",
}

# Steps after which an episode has failed: enough for an expert that is pushed about a little. The
# longest tasks need more than the 150 of most.
_LONG_TASKS = {
    "bin-picking": 250,
    "box-close": 250,
    "disassemble": 250,
    "handle-pull-side": 200,
    "peg-insert-side": 200,
    "peg-unplug-side": 300,
    "pick-out-of-hole": 200,
    "push-back": 200,
    "stick-pull": 200,
}
STEP_LIMITS = {task: _LONG_TASKS.get(task, 150) for task in INSTRUCTIONS}

# What the benchmark's ML45 holds out.
UNSEEN = frozenset({"bin-picking", "box-close", "door-lock", "door-unlock", "hand-insert"})

MAX_REWARD = 10.0
INSTALL = "pip install 'lapa-edge[demo]'"

ROBOT = RobotSpec(
    control_hz=80.0,
    state_names=("hand_x_m", "hand_y_m", "hand_z_m", "gripper_opening"),
    action_names=("hand_dx", "hand_dy", "hand_dz", "gripper_effort"),
    action_low=(-1.0,) * 4,
    action_high=(1.0,) * 4,
    action_units=("cm/step", "cm/step", "cm/step", "1"),
    action_kinds=("delta", "delta", "delta", "gripper"),
)

_CAMERA = {"lookat": (0.0, 0.70, 0.12), "distance": 0.80, "azimuth": 135.0, "elevation": -35.0}


class MetaWorld:
    """One Meta-World task behind the `Environment` protocol.

    Args:
        task: a key of `INSTRUCTIONS`.
        height, width: size of the camera frame, pixels.
        max_steps: control steps after which an episode has failed; that of `STEP_LIMITS` where
            None.
    """

    robot = ROBOT

    def __init__(
        self, task: str, height: int = 128, width: int = 128, max_steps: int | None = None
    ) -> None:
        check_task("Meta-World", task, INSTRUCTIONS)
        metaworld, mujoco = _import_simulator()
        self.name, self.instruction = task, INSTRUCTIONS[task]
        self.max_steps = STEP_LIMITS[task] if max_steps is None else max_steps
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # gymnasium's advice on dtype, once per environment
            self._env: Any = metaworld.env_dict.ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE[
                f"{task}-v3-goal-observable"
            ](seed=0)
        # Start positions are drawn anew at each reset, from the environment's own seeded generator.
        self._env._freeze_rand_vec = False
        self._env.seeded_rand_vec = True
        self._expert: Any = metaworld.policies.ENV_POLICY_MAP[f"{task}-v3"]()
        self._camera = _camera(mujoco)
        self._renderer = _renderer(mujoco, self._env.model, height, width)
        self._observation = np.zeros(39)
        self._score = 0.0

    def reset(self, seed: int) -> None:
        """Start episode `seed`."""
        self._env.seed(seed)
        self._observation, _ = self._env.reset()
        self._score = 0.0

    def frame(self) -> NDArray[np.uint8]:
        """RGB ``[h, w, 3]``."""
        self._renderer.update_scene(self._env.data, self._camera)
        picture: NDArray[np.uint8] = self._renderer.render()
        return picture

    def state(self) -> NDArray[np.float32]:
        """Hand position in metres and gripper opening in [0, 1]."""
        return self._observation[:4].astype(np.float32)

    def step(self, action: NDArray[np.float32]) -> bool:
        """One control step of 12.5 ms."""
        command = np.asarray(action, dtype=np.float64)
        self._observation, reward, _, _, info = self._env.step(command)
        self._score = 1.0 if info["success"] else float(np.clip(reward / MAX_REWARD, 0.0, 1.0))
        return bool(info["success"])

    def score(self) -> float:
        """The benchmark's dense reward as a share of its 10 points."""
        return self._score

    def expert_action(self) -> NDArray[np.float32]:
        """The scripted expert, clipped to the action's limits."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns that it exceeds the limits we clip to
            wanted = self._expert.get_action(self._observation)
        return np.clip(wanted, -1.0, 1.0).astype(np.float32)

    def close(self) -> None:
        """Free the renderer."""
        self._renderer.close()


def _import_simulator() -> tuple[Any, Any]:
    # MuJoCo binds its OpenGL platform when first imported; EGL needs no display.
    os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        import metaworld
        import metaworld.env_dict
        import metaworld.policies
        import mujoco
    except ImportError as error:
        if "egl" in str(error).lower() or "OSMesa" in str(error):
            raise _no_renderer(error) from error
        raise MissingDependencyError("Meta-World", f"not installed ({error})", INSTALL) from error
    except (AttributeError, RuntimeError) as error:  # no library to bind, or a bad MUJOCO_GL
        raise _no_renderer(error) from error
    return metaworld, mujoco


def _renderer(mujoco: Any, model: Any, height: int, width: int) -> Any:
    """An offscreen renderer without the effects that cost most: shadows, mirrors, multisampling."""
    model.vis.quality.shadowsize = 0
    model.vis.quality.offsamples = 0
    model.light_castshadow[:] = 0
    model.mat_reflectance[:] = 0
    try:
        renderer = mujoco.Renderer(model, height, width)
    except Exception as error:  # MuJoCo raises its own, PyOpenGL's and bare RuntimeErrors here
        raise _no_renderer(error) from error
    for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
        renderer.scene.flags[flag] = 0
    return renderer


def _camera(mujoco: Any) -> Any:
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FREE
    camera.lookat[:] = _CAMERA["lookat"]
    for name in ("distance", "azimuth", "elevation"):
        setattr(camera, name, _CAMERA[name])
    return camera


def _no_renderer(error: Exception) -> MissingDependencyError:
    platform = os.environ.get("MUJOCO_GL", "egl")
    return MissingDependencyError(
        f"offscreen rendering (MUJOCO_GL={platform})",
        f"OpenGL could not be started ({type(error).__name__}: {error})",
        "sudo apt-get install libegl1 libgl1-mesa-dri, or libosmesa6 with MUJOCO_GL=osmesa",
    )


ENTRY = Entry(
    robot=ROBOT,
    step_limits=STEP_LIMITS,
    build=lambda task, _: MetaWorld(task),
    missing=lambda _: ", ".join(absent("metaworld", "mujoco")),
    install=INSTALL,
    unseen=UNSEEN,
)
