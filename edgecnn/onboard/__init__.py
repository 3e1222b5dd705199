"""Everything that runs on a board; it needs NumPy, Pillow and one runtime, never torch."""
