"""Heads with random weights, and what enters each of their layers."""

import numpy as np


def build_weights(inputs, outputs, width, blocks, seed=0, gated=False):
    """Random weights by name, scaled so that activations keep their size."""
    rng = np.random.default_rng(seed)
    layers = {"input": (width, inputs), "output": (outputs, width)}
    for block in range(blocks):
        for part in ("up", "gate", "down") if gated else ("up", "down"):
            layers[f"blocks.{block}.{part}"] = (width, width)
    weights = {}
    for name, (rows, columns) in layers.items():
        weights[f"{name}.weight"] = rng.normal(0, columns**-0.5, (rows, columns))
        weights[f"{name}.bias"] = rng.normal(0, 0.1, rows)
    return {name: value.astype(np.float32) for name, value in weights.items()}


def draw_input(rows, columns, seed=1):
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)


def calibrate(weights, x):
    """The largest magnitudes that enter each layer while the head, in plain numpy, sees `x`."""
    largest = {}

    def dense(layer, value):
        magnitudes = np.abs(value).max(axis=0)
        largest[layer] = np.maximum(magnitudes, magnitudes.max() / 1000 or 1).astype(np.float32)
        return value @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"]

    hidden = np.maximum(dense("input", x), 0)
    for block in range(sum(name.endswith(".up.weight") for name in weights)):
        raised = dense(f"blocks.{block}.up", hidden)
        if f"blocks.{block}.gate.weight" in weights:
            raised = raised * np.maximum(dense(f"blocks.{block}.gate", hidden), 0)
        else:
            raised = np.maximum(raised, 0)
        hidden = hidden + dense(f"blocks.{block}.down", raised)
    dense("output", hidden)
    return largest
