"""The rescue ladder: when int8 misses its gate, what mends it, what that buys, and what it costs."""
