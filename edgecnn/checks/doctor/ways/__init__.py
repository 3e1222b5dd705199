"""Ways to turn an image into an input tensor that differ from the right way, a module for each stage.

reading.py    what happened to the image before: compression, conversion to grey
resizing.py   how it is brought to size
arranging.py  colour order, orientation, layout
encoding.py   what number stands for a pixel
"""
