"""Checkpoint to bundle: ONNX graphs, TensorRT engines, and the parity gate between them."""
