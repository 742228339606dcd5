"""What fusers with experts share: after training they say how evenly these are used."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TypeVar

import numpy as np
import torch

from bench.cohort import Cohort, Task
from bench.components import Context
from bench.torch_fuser import TorchFuser
from bench.train_params import TorchFuserParams
from bench_fusers.sparse_moe import note_experts

P = TypeVar("P", bound=TorchFuserParams)


class ExpertFuser(TorchFuser[P]):
    """Base of fusers with experts."""

    @abstractmethod
    def usages(self) -> Iterable[torch.Tensor]:
        """The share that each expert of each layer had in the last batch, [experts] each."""

    def fit(self, train: Cohort, valid: Cohort, task: Task, context: Context) -> None:
        """See `TorchFuser.fit`. Notes how evenly the experts are used on a batch of training
        records.
        """
        super().fit(train, valid, task, context)
        self.predict(train.take(np.arange(min(len(train), self.params.batch_size))), context)
        note_experts(context, self.usages())
