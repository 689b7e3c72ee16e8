"""Programs as they run where a module is not installed."""


def without(modules, program):
    """The text of a Python program that finds none of the top-level `modules`."""
    return f"""
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, *where):
        missing = name.partition(".")[0] in {tuple(modules)}
        return None if missing else super().find_spec(name, *where)

sys.meta_path[:] = [Without if finder is PathFinder else finder for finder in sys.meta_path]
{program}
"""
