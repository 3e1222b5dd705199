"""The program on the device, which classifies, tests itself, benches and serves.

It needs NumPy, Pillow and one runtime, never torch. It travels as `edgecnn.pyz` in a bundle, and finds the bundle's
other files beside itself.
"""
