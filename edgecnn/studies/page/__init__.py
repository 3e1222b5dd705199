"""The report page: what runs, benches, a duel and lessons found, as one HTML file that needs nothing else."""
