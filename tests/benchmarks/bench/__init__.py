"""The benchmark of the kernels: ``kernels.py`` runs it, ``table.py`` draws what came out.

targets.py what is promised, as data
head.py, codebook.py, frame.py      the contests: our kernel, its alternatives, its floor
native.py  our kernels, bound to their buffers
onnx_heads.py the action head as ONNX Runtime runs it: float32, int8 twice
probe.py, probe.cpp     what the machine can do at best
contest.py candidates, tolerances, parity
rounds.py  interleaved measurement
suite.py   the whole run: builds, compares, measures, judges
progress.py a bar that is not drawn while something is timed
report.py  what is written to JSON
tables.py, plot.py      what is drawn from it
loop_table.py the claims about cold caches, from control_loop.py's file
"""
