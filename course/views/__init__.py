"""Interactive views for the lessons: small widgets, each with a static picture of itself.

``course.views.base`` holds what all views share; each view is one Python module with a pure data
function, and one ES module of the same name beside it. ``docs/views.md`` shows how to use them.
"""

from course.views.attention_data import AttentionData, attention_data
from course.views.attention_explorer import AttentionExplorer
from course.views.base import View
from course.views.beam_tree import BeamRecorder, BeamTree, BeamTreeData, beam_tree_data
from course.views.fillers import MaskData, mask_data
from course.views.logit_lens import LensData, LogitLens, lens_data
from course.views.mask_playground import MaskPlayground
from course.views.pooling_map import PoolingData, PoolingMap, pooling_data
from course.views.probability_strip import ProbabilityStrip, StripData, strip_data
from course.views.qkv_stepper import QKVData, QKVStepper, qkv_data

__all__ = [
    "AttentionData",
    "AttentionExplorer",
    "BeamRecorder",
    "BeamTree",
    "BeamTreeData",
    "LensData",
    "LogitLens",
    "MaskData",
    "MaskPlayground",
    "PoolingData",
    "PoolingMap",
    "ProbabilityStrip",
    "QKVData",
    "QKVStepper",
    "StripData",
    "View",
    "attention_data",
    "beam_tree_data",
    "lens_data",
    "mask_data",
    "pooling_data",
    "qkv_data",
    "strip_data",
]
