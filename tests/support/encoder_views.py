"""Small views of one modality, drawn with a seed."""

from __future__ import annotations

import torch

from bench.torch_fuser import EventView, ModalityView


def view(
    records: int = 4, length: int = 6, channels: int = 3, rows: int = 9, seed: int = 0, absent: tuple[int, ...] = ()
) -> ModalityView:
    """Hourly grid, events of up to `rows` rows (the last of them padding), records in `absent`
    neither available nor filled.
    """
    draw = torch.Generator().manual_seed(seed)
    here = torch.ones(records)
    here[list(absent)] = 0
    counts = torch.randint(2, rows, (records,), generator=draw)
    kept = (torch.arange(rows) < counts[:, None]) & (here[:, None] > 0)
    seen = (torch.rand(records, rows, channels, generator=draw) < 0.5) & kept[..., None]
    times = torch.rand(records, rows, generator=draw).sort(dim=1).values * length
    events = EventView(
        times=torch.where(kept, times, 0.0),
        values=torch.where(seen, torch.randn(seen.shape, generator=draw), 0.0),
        observed=seen.float(),
    )
    return ModalityView(
        values=torch.randn(records, length, channels, generator=draw),
        observed=(torch.rand(records, length, channels, generator=draw) < 0.4).float() * here[:, None, None],
        times=torch.arange(length).float(),
        available=here,
        filled=torch.zeros(records),
        events=events,
    )
