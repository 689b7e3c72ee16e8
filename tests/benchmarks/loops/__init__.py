"""The benchmark of the control loop: ``control_loop.py`` runs it.

robot.py      a bundle of a real head's size
deadlines.py  the same tick in the native loop, in a Python thread and in asyncio
loads.py      what else the machine does meanwhile
cold_head.py  the head after a sleep: native, with and without early wake, and ONNX Runtime
"""
