"""What can run what, by the names that flags and files use."""

from __future__ import annotations

from typing import Literal

Backend = Literal["onnx", "tensorrt"]
Device = Literal["cpu", "cuda"]
HeadBackend = Literal["native", "onnx"]
HeadPrecision = Literal["f32", "bf16", "int8"]
