"""The hidden suite of `attention` and its oracle, torch's own attention."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from course.checks.base import Suite

suite = Suite("attention", hidden=True)
BROADCAST = "Masks broadcast by torch's rules: never reshape, squeeze or index them."


def oracle(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Values by torch's own attention; its weights are its values for an identity matrix."""
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
