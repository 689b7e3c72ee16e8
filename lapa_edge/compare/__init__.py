"""Every method on the same data and evaluation, over seeds: the paper's table, rebuilt."""
