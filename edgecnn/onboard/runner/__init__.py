"""The program on the device: classify, selftest, bench, serve. NumPy, Pillow and one runtime, never torch.

It travels as `edgecnn.pyz` inside a bundle and finds the bundle's other files beside itself.
"""
