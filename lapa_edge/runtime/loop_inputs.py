"""What the native loop takes as it is: arrays that need no copy, times that are numbers."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from lapa_edge.errors import RuntimeInputError
from lapa_edge.runtime.loop_options import is_number


def check_array(
    name: str, array: NDArray[np.float32], length: int, of: tuple[str, ...] = ()
) -> None:
    """Refuse what the mailbox cannot take as it is."""
    words = f" ({', '.join(of)})" if of else ""
    if not isinstance(array, np.ndarray):
        got = type(array).__name__
    elif array.dtype != np.float32 or array.shape != (length,):
        got = f"{array.dtype} {list(array.shape)}"
    elif not array.flags.c_contiguous:
        got = "one with strides"
    elif not array.flags.aligned:
        got = "one that is not aligned"
    else:
        return
    raise RuntimeInputError(
        name, f"expected a contiguous float32 array [{length}]{words}, got {got}"
    )


def check_time(name: str, value: float) -> float:
    """Refuse what is no time; NaN is one, and stops the robot."""
    if isinstance(value, float):
        return value
    if not is_number(value) or (isinstance(value, int) and abs(value) > sys.float_info.max):
        raise RuntimeInputError(name, f"expected seconds, got {value!r}")
    return float(value)
