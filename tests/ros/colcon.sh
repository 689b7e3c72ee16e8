#!/usr/bin/env bash
# The ROS 2 package as its users install it: colcon build, source, start, colcon test.
#
#   tests/ros/colcon.sh [PYTHON]    an interpreter with lapa-edge, rclpy, onnx, pytest and rosbags;
#                                   without one, a virtual environment is made (minutes)
#
# colcon and what it needs are installed into that interpreter's environment. Build, install and log
# folders are temporary.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "colcon.sh: $*" >&2; exit 1; }

python=${1:-}
if [ -z "$python" ]; then
    python=$work/venv/bin/python
    python3 -m venv "$work/venv"
    "$python" -m pip install -q -c constraints.txt -C cmake.define.LAPA_EDGE_CUDA=OFF . onnx pytest \
        rosbags opencv-python-headless \
        ros-jazzy-rclpy ros-jazzy-common-interfaces ros-jazzy-rmw-fastrtps-cpp
fi
"$python" -m pip install -q -r tests/ros/colcon.txt
PATH="$(cd "$(dirname "$python")" && pwd):$PATH" # an activated environment: env finds its python3

cd "$work"
colcon build --base-paths "$root/ros2_ws/src"
set +u # colcon's scripts read variables that are not set
. install/setup.bash
set -u
# What a sourced workspace puts first must not stand for the pip package.
"$python" - "$work" <<'EOF'
import sys
from importlib import metadata, util

place = util.find_spec("lapa_edge").origin
assert not place.startswith(sys.argv[1]), f"the workspace hides the pip package: {place}"
place = metadata.distribution("lapa-edge").locate_file("")
assert not str(place).startswith(sys.argv[1]), f"the workspace hides pip's metadata: {place}"
version, ours = metadata.version("lapa-edge"), metadata.version("lapa-edge-ros")
print(f"lapa-edge {version} from {place}, lapa-edge-ros {ours} from the workspace")
EOF
[ -x install/lapa_edge/lib/lapa_edge/policy_node ] || fail "the node's script was not installed"

# The tests start that script through the installed launch files.
colcon test --base-paths "$root/ros2_ws/src" --event-handlers console_cohesion+
colcon test-result --all --verbose
[ -f build/lapa_edge/pytest.xml ] || fail "colcon test ran no tests and said that all went well"
"$python" - build/lapa_edge/pytest.xml <<'EOF'
import sys
from xml.etree import ElementTree

suite = next(ElementTree.parse(sys.argv[1]).iter("testsuite"))
count, skipped = int(suite.get("tests")), int(suite.get("skipped"))
for case in suite.iter("testcase"):
    for skip in case.iter("skipped"):
        print(f"NOT CHECKED {case.get('name')}: {skip.get('message')}")
assert count > 0, "colcon test found no tests"
# Whoever runs this script has said that everything is there.
assert not skipped, f"{skipped} of {count} tests were skipped"
EOF
