"""An encoder that is frozen need not read a text twice."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class RememberingEncoder(nn.Module):
    """A frozen encoder that computes the hidden states of a text once and then looks them up.

    It is called as the encoder itself, ``(input_ids, attention_mask) -> (batch, length, dim)``, and
    may stand wherever a frozen encoder does. A text is known by its tokens, whatever padding it
    comes with; its states are kept in memory in half precision, up to ``gigabytes`` of them (what
    no longer fits is computed each time). Hidden states at padding are zero.
    """

    def __init__(self, encoder: nn.Module, gigabytes: float = 4.0) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(False)
        self.config: Any = encoder.config
        self.room = int(gigabytes * 1e9)
        self.computed = 0  # texts that the encoder had to read
        self._states: dict[bytes, Tensor] = {}

    @property
    def megabytes(self) -> float:
        """The size of what is remembered."""
        return sum(states.nbytes for states in self._states.values()) / 1e6

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Hidden states (batch, length, dim), float32; both arguments (batch, length)."""
        content = attention_mask.bool()
        pairs = zip(input_ids.cpu(), content.cpu(), strict=True)
        keys = [ids[row].numpy().tobytes() for ids, row in pairs]
        new = {key: row for row, key in enumerate(keys) if key not in self._states}
        fresh = self._read(input_ids, content, new)
        known = [fresh[key] if key in fresh else self._states[key] for key in keys]
        hidden = torch.zeros(*content.shape, self.config.hidden_size, device=input_ids.device)
        hidden[content] = torch.cat(known).to(hidden)  # both go row by row, token by token
        return hidden

    def _read(
        self, input_ids: Tensor, content: Tensor, new: dict[bytes, int]
    ) -> dict[bytes, Tensor]:
        """The states of texts that are new, by key; they are remembered while there is room."""
        if not new:
            return {}
        rows = torch.tensor(list(new.values()), device=input_ids.device)
        self.encoder.eval()
        with torch.no_grad():
            output = self.encoder(input_ids[rows], attention_mask=content[rows].long())
        states = getattr(output, "last_hidden_state", output).half().cpu()
        # A copy of each text's own states, so that no padding is kept alive.
        fresh = {
            key: states[place][content[row].cpu()].clone()
            for place, (key, row) in enumerate(new.items())
        }
        self.computed += len(fresh)
        for key, value in fresh.items():
            if value.nbytes <= self.room:
                self._states[key] = value
                self.room -= value.nbytes
        return fresh
