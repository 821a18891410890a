"""The second renderer: the same scenes path-traced by Cycles, with hair strands, subsurface skin and true glass.

Blender (`bpy`) is imported inside functions only, in the worker that renders.
"""
