"""Installs the ROS 2 package; its Python module must not be named like the pip package."""

from setuptools import setup

NAME = "lapa_edge"

setup(
    name=NAME,
    version="0.1.0",
    packages=["lapa_edge_ros"],
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/launch", ["launch/policy.launch.py"]),
        (f"share/{NAME}/config", ["config/policy.yaml"]),
    ],
    install_requires=["setuptools"],
    extras_require={"test": ["pytest"]},
    zip_safe=True,
    maintainer="lapa-edge maintainers",
    maintainer_email="maintainers@lapa-edge.invalid",
    description="Runs a lapa-edge bundle on a robot.",
    license="MIT",
    entry_points={"console_scripts": ["policy_node = lapa_edge_ros.node:main"]},
)
