"""What is wrong here, and what to do: the checks behind ``lapa-doctor``. Needs no torch."""
