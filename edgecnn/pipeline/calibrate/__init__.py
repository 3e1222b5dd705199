"""`edgecnn calibrate`: how sure a model file may be, and when it should answer "unknown", learnt from validation."""
