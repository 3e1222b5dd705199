"""All that runs on a board, and what it is measured with: NumPy, Pillow and one runtime, never torch."""
