"""How long a bundle takes on this machine, measured the way the robot will feel it.

latency.py    times of calls, interleaved, and their percentiles
pipeline.py   from the camera's bytes to the command, part by part
heads.py      the action head in every precision
pacing.py     deadlines missed at a rate
noise.py      A/A: what of a difference is none
starting.py   cold start and memory
roofline.py   the least it could take
peaks.py      how fast this machine reads and multiplies
machine.py    the machine and its clocks
profiling.py  all of it, in one record
plots.py, page.py  the record as a page
"""

from lapa_edge.runtime.profile.latency import Latency, measure_parts, summarise
from lapa_edge.runtime.profile.machine import Machine, describe_machine
from lapa_edge.runtime.profile.profiling import Profile, measure_latency, profile

__all__ = [
    "Latency", "Machine", "Profile", "describe_machine", "measure_latency",
    "measure_parts", "profile", "summarise",
]  # fmt: skip
