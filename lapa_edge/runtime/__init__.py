"""What runs on the robot: numpy, ONNX Runtime or TensorRT, the native module; never torch."""
