"""Every test of the kernels' results runs once per instruction set that this CPU has."""

import pytest

from lapa_edge import _native


@pytest.fixture(autouse=True, params=_native.instruction_sets(), scope="module")
def instruction_set(request):
    """Forces one set; the fastest is active again afterwards."""
    _native.choose_instruction_set(request.param)
    assert _native.active_instruction_set() == request.param, "another set's kernels run"
    yield request.param
    _native.choose_instruction_set(_native.instruction_sets()[-1])
