"""One way for data: init, train, export, bench, deploy."""
