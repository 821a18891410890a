"""Facewright: a photo of a face becomes an animatable head."""


def register() -> None:
    """Called by Blender when the extension is enabled."""
    from .blender_addon import registration

    registration.register()


def unregister() -> None:
    """Called by Blender when the extension is disabled."""
    from .blender_addon import registration

    registration.unregister()
