"""Precision as part of the graph: a float32 ONNX graph in, the same graph in fewer bits out.

    fp16, bf16    `casts`: everything in 16 bits but the layers that sum or normalise
    int8, fp8     `quantize`: the trunk's matrix products in 8 bits between Q and DQ, the rest in
                  float32; scales from `ranges`, which looks at real observations

No builder flag and no calibrator is left: what stands in the graph is what TensorRT 10.3 to 11 and
TensorRT for RTX compute (strongly typed), and what ONNX Runtime computes on the CPU.
"""
