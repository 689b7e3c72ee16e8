"""As much of ROS 2's launch as this package's launch files use, for machines without it.

    python small_launch.py FILE [name:=value ...]

Runs a launch file as ``ros2 launch`` does: arguments and their defaults are resolved, includes
followed, and each node is started as a process with the command line that launch_ros composes.
SIGINT and SIGTERM are passed on; whoever does not end is terminated after 5 s and killed after 10.
The exit status is 1 where something raised, else 0, whatever the processes' own was.

Only what is listed in `MODULES` exists, so that a launch file which begins to use more fails here
by name instead of being half executed.
"""

from __future__ import annotations

import os
import runpy
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import yaml
from ament_index_python.packages import get_package_prefix

ESCALATION = ((5.0, signal.SIGTERM), (10.0, signal.SIGKILL))


@dataclass
class Context:
    """Values of the arguments, and what has been started."""

    values: dict[str, str]
    running: list[tuple[subprocess.Popen, Callable | None]] = field(default_factory=list)
    asked_s: float | None = None  # when the processes were first told to end, monotonic


class LaunchDescription:
    def __init__(self, entities: Iterable[Any]) -> None:
        self.entities = list(entities)

    def execute(self, context: Context) -> None:
        for entity in self.entities:
            entity.execute(context)


class LaunchConfiguration:
    def __init__(self, name: str) -> None:
        self.name = name

    def perform(self, context: Context) -> str:
        if self.name not in context.values:
            raise KeyError(f"launch configuration '{self.name}' does not exist")
        return context.values[self.name]


class DeclareLaunchArgument:
    def __init__(self, name: str, *, default_value: str | None = None, description: str) -> None:
        self.name, self.default, self.description = name, default_value, description

    def execute(self, context: Context) -> None:
        if self.name in context.values:
            return
        if self.default is None:
            raise RuntimeError(f"Required launch argument '{self.name}' was not provided")
        context.values[self.name] = self.default


class OpaqueFunction:
    def __init__(self, *, function: Callable[[Context], Iterable[Any]]) -> None:
        self.function = function

    def execute(self, context: Context) -> None:
        LaunchDescription(self.function(context)).execute(context)


class IncludeLaunchDescription:
    def __init__(self, source: Path, *, launch_arguments: Iterable[tuple[str, Any]]) -> None:
        self.source, self.arguments = source, list(launch_arguments)

    def execute(self, context: Context) -> None:
        # Not a scope of its own: launch, too, lets an include's values leak into what follows.
        context.values |= {
            name: value if isinstance(value, str) else value.perform(context)
            for name, value in self.arguments
        }
        read_launch_file(self.source).execute(context)


class Shutdown:
    def __init__(self, *, reason: str) -> None:
        self.reason = reason

    def execute(self, context: Context) -> None:
        send(context, signal.SIGINT)


class ParameterValue:
    def __init__(self, value: LaunchConfiguration, *, value_type: type) -> None:
        # launch_ros converts what a substitution gives, and refuses a plain value of another type.
        assert isinstance(value, LaunchConfiguration), f"{value!r} would not be converted"
        self.source, self.type = value, value_type

    def evaluate(self, context: Context) -> Any:
        text = self.source.perform(context)
        value = text if self.type is str else yaml.safe_load(text)
        if not isinstance(value, self.type):
            raise ValueError(f"cannot convert value '{text}' to {self.type.__name__}")
        return value


class Node:
    def __init__(
        self,
        *,
        package: str,
        executable: str,
        name: str,
        output: str,
        namespace: str = "",
        prefix: str | None = None,
        arguments: Iterable[str] = (),
        ros_arguments: Iterable[str] = (),
        parameters: Iterable[str | dict[str, ParameterValue]] = (),
        additional_env: dict[str, str] | None = None,
        remappings: Iterable[tuple[str, str]] = (),
        on_exit: Callable | None = None,
    ) -> None:
        program = Path(get_package_prefix(package)) / "lib" / package / executable
        if not os.access(program, os.X_OK):
            raise RuntimeError(f"executable '{executable}' not found on the libexec directory")
        self.command = [*shlex.split(prefix or ""), str(program), *arguments, "--ros-args"]
        self.command += [*ros_arguments, "-r", f"__node:={name}"]
        if namespace:
            self.command += ["-r", f"__ns:=/{namespace.lstrip('/')}"]
        self.parameters, self.remappings = list(parameters), list(remappings)
        self.environment = {**os.environ, **(additional_env or {})}
        self.on_exit = on_exit

    def execute(self, context: Context) -> None:
        for values in self.parameters:
            self.command += ["--params-file", write_file(values, context)]
        for old, new in self.remappings:
            self.command += ["-r", f"{old}:={new}"]
        # In this process's group: Ctrl-C in a terminal reaches it twice, as under ros2 launch.
        process = subprocess.Popen(self.command, env=self.environment)
        context.running.append((process, self.on_exit))


def write_file(values: str | dict[str, ParameterValue], context: Context) -> str:
    """The path of a parameter file, written first where the values are given."""
    if isinstance(values, str):
        return values
    plain = {name: value.evaluate(context) for name, value in values.items()}
    with tempfile.NamedTemporaryFile("w", prefix="launch_params_", delete=False) as file:
        yaml.dump({"/**": {"ros__parameters": plain}}, file)
    return file.name


MODULES: dict[str, dict[str, Any]] = {
    "launch": {"LaunchDescription": LaunchDescription},
    "launch.actions": {
        "DeclareLaunchArgument": DeclareLaunchArgument,
        "IncludeLaunchDescription": IncludeLaunchDescription,
        "OpaqueFunction": OpaqueFunction,
        "Shutdown": Shutdown,
    },
    "launch.launch_description_sources": {"PythonLaunchDescriptionSource": Path},
    "launch.substitutions": {"LaunchConfiguration": LaunchConfiguration},
    "launch_ros": {},
    "launch_ros.actions": {"Node": Node},
    "launch_ros.parameter_descriptions": {"ParameterValue": ParameterValue},
}


def read_launch_file(path: Path) -> LaunchDescription:
    """The description that a Python launch file generates."""
    return runpy.run_path(str(path))["generate_launch_description"]()


def send(context: Context, number: int) -> None:
    """Send a signal to every process that still runs."""
    context.asked_s = context.asked_s or time.monotonic()
    for process, _ in context.running:
        if process.poll() is None:
            process.send_signal(number)


def watch(context: Context, caught: list[int]) -> None:
    """Until all have ended: pass signals on, and tell whoever wants to know of an end."""
    waiting = list(ESCALATION)
    while context.running:
        if caught:
            send(context, caught.pop())
        if context.asked_s and waiting and time.monotonic() - context.asked_s > waiting[0][0]:
            send(context, waiting.pop(0)[1])
        for entry in [entry for entry in context.running if entry[0].poll() is not None]:
            context.running.remove(entry)
            process, on_exit = entry
            print(f"[{process.args[0]}] exit status {process.returncode}", flush=True)
            if on_exit:
                event = SimpleNamespace(returncode=process.returncode)
                LaunchDescription(on_exit(event, context)).execute(context)
        time.sleep(0.02)


def main(words: list[str]) -> int:
    """Run a launch file; its exit status."""
    for name, classes in MODULES.items():
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(classes)
    caught: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: caught.append(number))
    context = Context(dict(word.split(":=", 1) for word in words[1:]))
    try:
        read_launch_file(Path(words[0])).execute(context)
        watch(context, caught)
        return 0
    except Exception:
        traceback.print_exc()
        send(context, signal.SIGINT)
        watch(context, caught)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
