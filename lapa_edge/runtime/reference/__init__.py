"""What the native kernels compute, written to be read.

Each function has the name, arguments and result of its twin in ``lapa_edge._native``, and the
same bits: the order of every addition here is the kernels' order too. Tests compare the
two with ``==``. Arguments are trusted here; the kernels are the ones that check them.
"""

from lapa_edge.runtime.reference.action_head import ActionHead, fused_multiply_add
from lapa_edge.runtime.reference.nearest_code import nearest_code
from lapa_edge.runtime.reference.nv12 import nv12_to_rgb
from lapa_edge.runtime.reference.preprocess import normalisation, preprocess_frame, resize_frame

__all__ = [
    "ActionHead",
    "fused_multiply_add",
    "nearest_code",
    "normalisation",
    "nv12_to_rgb",
    "preprocess_frame",
    "resize_frame",
]
