"""Interactive views for the lessons: small widgets, each with a static picture of itself.

``course.views.base`` holds what all views share; each view is one Python module with a pure data
function, and one ES module of the same name beside it.
"""

from course.views.base import View
from course.views.heat_map import HeatMap, HeatMapData, heat_map_data

__all__ = ["HeatMap", "HeatMapData", "View", "heat_map_data"]
