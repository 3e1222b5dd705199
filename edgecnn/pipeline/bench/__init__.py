"""`edgecnn bench`: latency, memory and accuracy of model files, here or on a board."""
