"""Rendering in worker processes: a template may fail, loop or eat memory without harm to the gateway."""

from gateway.rendering.batch import RenderBatch, Rendered, RenderFailure, render_here
from gateway.rendering.pool import RenderingUnavailable, RenderPool

__all__ = ["RenderBatch", "RenderFailure", "RenderPool", "Rendered", "RenderingUnavailable", "render_here"]
