"""The report page: what was trained, measured and learnt, as one HTML file that needs nothing else."""
