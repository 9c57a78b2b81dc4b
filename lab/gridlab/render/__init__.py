"""Pictures of a stage: `Renderer` draws, `projection` says without pixels where things fall."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gridlab.render.renderer import Renderer

__all__ = ["Renderer"]


def __getattr__(name: str) -> object:
    # Drawn only on demand, so that `projection` serves where there is no OpenGL.
    if name == "Renderer":
        from gridlab.render.renderer import Renderer

        return Renderer
    raise AttributeError(name)
