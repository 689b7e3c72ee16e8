#!/usr/bin/env bash
# The robot's runtime on 64-bit ARM, checked on an x86 machine: the wheel is cross-built, then runs
# under qemu on three processors, with the kernels' tests and with answers compared to this machine's.
#
#   tests/aarch64/run.sh [WORK]     WORK keeps what was made for the next time (build/aarch64)
#
#   PYTHON     has the package and its tests installed (.venv/bin/python)
#   APT_LIST   apt's list of sources for arm64, where this machine's own have none (Ubuntu)
#
# Nothing is installed on this machine, and no root rights are needed.
set -euo pipefail
repository=$(cd "$(dirname "$0")/../.." && pwd)
here=$repository/tests/aarch64
case ${1:-} in -*) sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "$0"; exit 0 ;; esac
mkdir -p "${1:-$repository/build/aarch64}"
work=$(cd "${1:-$repository/build/aarch64}" && pwd)
sources=${APT_LIST:+$(realpath "$APT_LIST")}
python=${PYTHON:-$repository/.venv/bin/python}
case $python in /*) ;; */*) python=$PWD/$python ;; esac
export PIP_DISABLE_PIP_VERSION_CHECK=1
cd "$work" # not the checkout, whose modules would come before the installed ones

# What Cortex-A72 (Raspberry Pi 4), Cortex-A76 (Pi 5, near Orin's) and "all that qemu knows" run.
declare -A instruction_sets=(
    [cortex-a72]=scalar,neon
    [cortex-a76]=scalar,neon,neon_dotprod
    [max]=scalar,neon,neon_dotprod)

section() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }
fail() { echo "aarch64: error: $*" >&2; exit 1; }

check_programs() {
    command -v apt-get > /dev/null || fail "apt-get: expected Debian or Ubuntu, found none"
    local missing=()
    command -v aarch64-linux-gnu-g++ > /dev/null || missing+=(g++-aarch64-linux-gnu)
    command -v qemu-aarch64-static > /dev/null || missing+=(qemu-user-static)
    [ ${#missing[@]} = 0 ] || fail "programs are missing; run:" \
        "apt-get install -y --no-install-recommends ${missing[*]}"
    "$python" -c 'import lapa_edge._native, onnx, pip' \
        || fail "PYTHON: expected an environment with lapa-edge[test], got $python;" \
            "run ./setup.sh test, or set PYTHON"
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
}

# An arm64 Debian with this Python, Highway's headers and what they need, unpacked and not set up.
make_root() {
    local packages=("python$version" "libpython$version-dev" libhwy-dev libstdc++6)
    root=$work/root
    [ "$(cat "$root.packages" 2> /dev/null)" != "${packages[*]}" ] || return 0
    local apt=$work/apt
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial"
    : > "$apt/state/status"
    cat > "$apt/apt.conf" << CONF
Dir::State "$apt/state";
Dir::State::status "$apt/state/status";
Dir::Cache "$apt/cache";
APT::Architecture "arm64";
#clear APT::Architectures;
APT::Architectures { "arm64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "";
#clear APT::Update::Post-Invoke;
#clear DPkg::Post-Invoke;
CONF
    [ -z "$sources" ] \
        || echo "Dir::Etc::sourcelist \"$sources\"; Dir::Etc::sourceparts \"-\";" >> "$apt/apt.conf"
    apt-get -qq -c "$apt/apt.conf" update
    rm -f "$apt"/cache/archives/*.deb
    apt-get -qq -c "$apt/apt.conf" install --yes --download-only "${packages[@]}" \
        || fail "${packages[*]}: expected them for arm64 in apt's sources; set PYTHON to the" \
            "Python of this Debian, or APT_LIST to a list of sources that has them"
    rm -rf "$root"
    mkdir "$root"
    local package
    for package in "$apt"/cache/archives/*.deb; do dpkg-deb -x "$package" "$root"; done

    # ONNX Runtime reads its CPU here, and would find this machine's.
    mkdir -p "$root/proc" "$root/sys/devices/system/cpu"
    echo 0 | tee "$root/sys/devices/system/cpu/possible" > "$root/sys/devices/system/cpu/present"
    printf '%s\n' 'processor : 0' 'Features : fp asimd' 'CPU implementer : 0x41' \
        'CPU architecture: 8' 'CPU variant : 0x0' 'CPU part : 0xd08' 'CPU revision : 3' \
        > "$root/proc/cpuinfo"
    echo "${packages[*]}" > "$root.packages"
}

# The same build as everywhere, with a toolchain file. Leaves $wheel.
build_wheel() {
    rm -rf "$work/wheel"
    PIP_CONSTRAINT=$repository/constraints.txt PIP_BUILD_CONSTRAINT=$repository/constraints.txt \
        AARCH64_ROOT=$root _PYTHON_HOST_PLATFORM=linux-aarch64 \
        SETUPTOOLS_EXT_SUFFIX=.cpython-${version/./}-aarch64-linux-gnu.so \
        "$python" -m pip wheel -qq --no-deps --wheel-dir "$work/wheel" "$repository" \
        -C build-dir="$work/module" -C cmake.define.LAPA_EDGE_CUDA=OFF \
        -C cmake.define.CMAKE_TOOLCHAIN_FILE="$repository/cmake/aarch64.cmake" \
        -C cmake.define.Python_INCLUDE_DIR="$root/usr/include/python$version"
    wheel=$(echo "$work"/wheel/lapa_edge-*-linux_aarch64.whl)
    echo "$(basename "$wheel"), $(stat -c %s "$wheel") bytes"
}

# A virtual environment of that root: robot/bin/python-CPU runs on CPU.
make_robot() {
    robot=$work/robot
    local site=$robot/lib/python$version/site-packages platforms=(linux_aarch64) tag tool cpu
    for tag in manylinux_2_28 manylinux_2_27 manylinux_2_17 manylinux2014; do
        platforms+=("${tag}_aarch64")
    done
    local install=("$python" -m pip install -qq --target "$site" --only-binary=:all:
        --python-version "$version" "${platforms[@]/#/--platform=}" -c "$repository/constraints.txt")
    local wanted
    wanted=$(cat "$repository/constraints.txt" "$repository/pyproject.toml" | sha256sum)
    if [ "$(cat "$robot.wanted" 2> /dev/null)" != "$wanted" ]; then
        rm -rf "$robot" "$robot.wanted"
        "${install[@]}" pytest hypothesis pillow "$wheel"
        echo "$wanted" > "$robot.wanted"
    else
        "${install[@]}" --no-deps --upgrade "$wheel"
    fi

    # A robot has no compiler: tests that build programs of their own skip, and say so.
    mkdir -p "$robot/bin" "$robot/tools"
    for tool in readelf nm objdump; do
        ln -sf "$(command -v "aarch64-linux-gnu-$tool")" "$robot/tools/$tool"
    done
    echo "home = $root/usr/bin" > "$robot/pyvenv.cfg"
    for cpu in "${!instruction_sets[@]}"; do
        # numpy's own SVE products raise floating-point flags that mean nothing, and tests hear them.
        cat > "$robot/bin/python-$cpu" << SCRIPT
#!/bin/sh
export OPENBLAS_CORETYPE=ARMV8
exec '$(command -v qemu-aarch64-static)' -L '$root' -cpu $cpu -0 "\$0" '$root/usr/bin/python$version' "\$@"
SCRIPT
        chmod +x "$robot/bin/python-$cpu"
    done
}

# The kernels' tests on one processor, then its answers beside this machine's.
check_cpu() {
    local run=(env -u PYTHONPATH -u PYTHONHOME PATH="$robot/tools" "$robot/bin/python-$1")
    "${run[@]}" "$here/kernel_tests.py" "${instruction_sets[$1]}"
    "${run[@]}" "$here/answers.py" "$work/case" "$work/$1.npz" --latents "$work/here.npz"
    "$python" "$here/compare.py" "$work/here.npz" "$work/$1.npz"
}

section "programs"
check_programs
section "an arm64 root file system"
make_root
section "the wheel, cross-built"
build_wheel
section "the robot: the wheel and what it needs"
make_robot
section "this machine's answers"
"$python" "$here/case.py" "$work/case"
"$python" "$here/answers.py" "$work/case" "$work/here.npz"

section "$(nproc) cores play ${!instruction_sets[*]}"
trap 'kill $(jobs -p) 2> /dev/null || true' EXIT
declare -A jobs
for cpu in "${!instruction_sets[@]}"; do
    check_cpu "$cpu" > "$work/$cpu.log" 2>&1 &
    jobs[$cpu]=$!
done
wrong=()
for cpu in "${!instruction_sets[@]}"; do
    wait "${jobs[$cpu]}" || wrong+=("$cpu")
    section "$cpu"
    cat "$work/$cpu.log"
done
[ ${#wrong[@]} = 0 ] || fail "${wrong[*]}: tests or answers are wrong, see above"
section "done"
