"""Video and demonstrations in, frame pairs and labelled steps out; numpy, PyAV and pyarrow only."""
