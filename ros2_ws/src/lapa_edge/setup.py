"""Installs the ROS 2 package `lapa_edge` without hiding the pip package `lapa-edge`.

Sourcing a workspace puts its modules and their metadata before those of the interpreter. So neither
the Python module (`lapa_edge_ros`) nor the distribution (`lapa-edge-ros`) may be named like pip's;
the ROS name is package.xml's, and what `ros2 run` and `ros2 launch` ask for.
"""

from pathlib import Path

from setuptools import setup

ROS_NAME = "lapa_edge"


def files(folder: str) -> tuple[str, list[str]]:
    """Where a folder of the package is installed, and what is in it."""
    return f"share/{ROS_NAME}/{folder}", sorted(str(p) for p in Path(folder).glob("*.*"))


setup(
    name="lapa-edge-ros",
    version="0.1.0",
    packages=["lapa_edge_ros"],
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{ROS_NAME}"]),
        (f"share/{ROS_NAME}", ["package.xml"]),
        files("launch"),
        files("config"),
    ],
    install_requires=["setuptools"],
    # Without it `colcon test` finds no tests to run, and says that all went well.
    extras_require={"test": ["pytest"]},
    zip_safe=True,
    maintainer="lapa-edge maintainers",
    maintainer_email="maintainers@lapa-edge.invalid",
    description="Runs a lapa-edge bundle on a robot.",
    license="MIT",
    entry_points={
        "console_scripts": [
            "policy_node = lapa_edge_ros.node:main",
            "replay = lapa_edge_ros.replay:main",
        ]
    },
)
