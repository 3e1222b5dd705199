"""One way for data: train, export, bench, deploy."""
