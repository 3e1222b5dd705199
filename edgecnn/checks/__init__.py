"""Is it right? Verify, the doctor, selftest, inspect, and what a board is like."""
