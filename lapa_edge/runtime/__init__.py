"""What runs on the robot: numpy, ONNX Runtime, the native module; never torch."""
