"""The only code that knows Blender: scene building, panels, operators, background jobs."""
