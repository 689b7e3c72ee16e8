"""What every machine is asked: a bundle, camera frames, states, and arrays for each kernel.

    python case.py CASE      writes CASE/bundle and CASE/inputs.npz

Runs where ONNX is installed, which a robot does not have.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bundles import head_weights, write_tiny_bundle

LOOKS, TICKS = 4, 6  # frames seen, and control ticks after each


def main(case: Path) -> None:
    rng = np.random.default_rng(0)
    bundle = write_tiny_bundle(
        case / "bundle",
        n=4,
        k=8,
        d=32,
        a=7,
        s=8,
        chunk=8,
        context_dim=64,
        height=224,
        width=224,
        head_width=256,
        head_blocks=3,
    )
    inputs = {
        "frames": rng.integers(0, 256, (LOOKS, 480, 640, 3), dtype=np.uint8),
        "states": normal(rng, LOOKS, TICKS, len(bundle.spec.state.names)),
        "x": normal(rng, 300, 32),
        "small_codebook": normal(rng, 8, 32),
        "large_codebook": normal(rng, 1000, 32),
        "tied_x": rng.integers(0, 2, (300, 5)).astype(np.float32),
        "tied_codebook": rng.integers(0, 2, (70, 5)).astype(np.float32),
        "head_x": normal(rng, 5, 77),
    }
    head = head_weights(rng, inputs=77, outputs=19, width=131, blocks=2)
    inputs |= {f"weights/{name}": array for name, array in head.items()}
    for name, array in head.items():
        if name.endswith(".weight"):
            largest = rng.uniform(1, 4, array.shape[1]).astype(np.float32)
            inputs[f"calibration/{name.removesuffix('.weight')}"] = largest
    np.savez(case / "inputs.npz", **inputs)


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
