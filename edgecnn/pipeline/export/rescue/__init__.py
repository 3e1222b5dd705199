"""The rescue ladder: when int8 fails its gate, what helps, how much it gains, and what it costs."""
