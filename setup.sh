#!/usr/bin/env bash
# Everything this project needs, from nothing: system libraries, a virtual environment, the package.
#
#   ./setup.sh EXTRA [COMMAND...]    EXTRA: train, export, demo, test and more, as in pyproject.toml
#
# The environment is .venv (or $VENV). What is already there is left alone. COMMAND then runs in it.
set -euo pipefail
cd "$(dirname "$0")"
extra=${1:?"usage: ./setup.sh EXTRA [COMMAND...], EXTRA one of train, export, demo, test"}
shift
venv=${VENV:-.venv}

fail() { echo "setup: error: $*" >&2; exit 1; }

python=${PYTHON:-python3}
command -v "$python" > /dev/null || fail "no $python; install Python 3.10 or newer, or set PYTHON"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
    || fail "Python 3.10 or newer is needed, found $("$python" --version); set PYTHON to a newer one"

# Debian's packages, each with the check that says whether it is missing.
missing=()
command -v g++ > /dev/null || command -v clang++ > /dev/null || missing+=(g++)
# Headers of the vector code; $LAPA_EDGE_HIGHWAY where they are another release's.
[ -f "${LAPA_EDGE_HIGHWAY:-/usr/include}/hwy/highway.h" ] || missing+=(libhwy-dev)
name=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
"$python" -c 'import ensurepip, venv' 2> /dev/null || missing+=("$name-venv")
"$python" -c 'import pathlib, sys, sysconfig
sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").is_file())' \
    || missing+=("$name-dev")
# Read once, and not through a pipe: grep -q would end it early and fail the pipe. On Debian
# ldconfig is not on everybody's PATH.
libraries=$(PATH="$PATH:/usr/sbin:/sbin" ldconfig -p 2> /dev/null || true)
has_library() { [[ $libraries == *"$1"* ]]; }
case $extra in
    demo | test)
        has_library libEGL.so.1 || missing+=(libegl1)
        has_library libGL.so.1 || missing+=(libgl1)
        if ! has_library libEGL_nvidia.so.0; then # then Mesa draws, in software where it must
            has_library libEGL_mesa.so.0 || missing+=(libegl-mesa0)
            dpkg -s libgl1-mesa-dri > /dev/null 2>&1 || missing+=(libgl1-mesa-dri)
        fi
        ;;
esac
if [ ${#missing[@]} -gt 0 ]; then
    install="apt-get install -y --no-install-recommends ${missing[*]}"
    if [ "$(id -u)" = 0 ]; then sudo=""; elif sudo -n true 2> /dev/null; then sudo=sudo; else
        fail "system packages are missing; run: sudo $install"
    fi
    command -v apt-get > /dev/null || fail "install with your package manager: ${missing[*]}"
    echo "setup: installing ${missing[*]}"
    # The package list may be old: refresh it only where the plain install fails.
    DEBIAN_FRONTEND=noninteractive $sudo $install > /dev/null 2>&1 \
        || { $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo $install > /dev/null; } \
        || fail "could not install; run: sudo $install"
fi

"$venv/bin/python" -m pip --version > /dev/null 2>&1 || "$python" -m venv --clear "$venv"
echo "setup: installing lapa-edge[$extra] into $venv (a few minutes the first time)"
# The build's own environment is pinned too.
export PIP_CONSTRAINT="$PWD/constraints.txt" PIP_BUILD_CONSTRAINT="$PWD/constraints.txt"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check ".[$extra]"

if [ $# -gt 0 ]; then
    PATH="$(cd "$venv/bin" && pwd):$PATH" exec "$@"
fi
