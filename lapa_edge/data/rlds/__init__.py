"""RLDS datasets in TFRecord shards, without TensorFlow."""
