"""Between a policy's command and a motor: permission to move, then how fast and how far.

``gate.py`` is the way in; ``meaning.py`` says which number of an action moves what.
"""
