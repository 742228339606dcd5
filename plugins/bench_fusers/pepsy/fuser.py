"""A method after PEPSY (Nguyen et al., NeurIPS 2025, arXiv 2510.22880), known from its abstract,
public summaries, and traces in the public code of CondI. Neither the whole paper nor its authors'
code was read. So it is called `pepsy-like`, and its numbers are not those of PEPSY.

From summaries of the paper:

- A modality has an Inception encoder of width 128, which reads h.
- Its embedding w is made of three, side by side.
    - w_mod: a table of modalities.
    - w_ins: h, or the mean of h over the modalities that the record has, where it is absent.
    - w_mis: the mean of the 3 controls of a pool with the largest cosines to a query.
- Similarities of modalities are weights of an attention, and a gate blends its result with w.
- The loss is that of the task, plus λ (L_ds + L_rc) - η R. L_ds draws the modalities of a record
  together and away from those of others, by h; L_rc does the same by w. R is the mean cosine of
  chosen controls to the query.

From code: 10 controls at the start, drawn uniformly between -1 and 1, and a query without bias. A
checklist of the controls that were used is sent along. The merge is that of PFPT
(`bench_fusers.pepsy.matching`).

What is decided here:

- The paper's λ, η and temperature τ were not seen. They are 0.1, 0.1 and 0.2 (`contrast`,
  `attract`, `temperature`), which no experiment has chosen.
- The query is a linear map of [w_ins; w_mod] of each modality. A record has three controls for all
  its modalities: those with the largest mean cosine to its queries. In the code of CondI the three
  most frequent in a batch serve all, so that a prediction depends on its batch mates.
- L_ds has no part for what is absent. Both are the loss of `bench_fusers.contrast.within_records`.
- The attention is the softmax of cosines. The gate is a sigmoid of a linear map. The classifier has
  one hidden layer.
- The server merges controls that a client's records have chosen at least once in this training. All
  clients are sent the merged pool, and so it predicts. Clients weigh alike.
- The answer of an only client is taken as it is, so that one client is central training.
- A pool is cut off at `largest`, else it could grow in every round.
- Statics are not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from torch import nn

from bench.cohort import Cohort, Task
from bench.components import Context
from bench.learner import Plan, Reply
from bench.sums import Sums
from bench.torch_fuser import Inputs, TorchFuser
from bench.training import seeded
from bench_fusers.pepsy.matching import matched
from bench_fusers.pepsy.network import Network
from bench_fusers.pepsy.plugin import PepsyParams

OF_MODALITY = re.compile(r"^extractors\.(\d+)\.")
"""In the name of a weight: whose it is."""

CONTROLS, USED = "own/controls", "own/used"
"""What a client sends of the pool, and what it receives."""


class Pepsy(TorchFuser[PepsyParams]):
    """See the module. The representation is what the classifier reads."""

    def begin(self, sums: Sums, context: Context) -> None:
        """See `Learner.begin`. The context seeds merges too."""
        self._context = context
        super().begin(sums, context)

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        return Network(inputs, task, self.params)

    @property
    def network(self) -> Network:
        """The module, once built."""
        assert isinstance(self.module, Network)
        return self.module

    def group(self, module: str, weight: str) -> str:
        """See `Learner.group`: extractors belong to modalities, the pool is merged here."""
        if weight in ("controls", "used"):
            return "own"
        group, match = super().group(module, weight), OF_MODALITY.match(weight)
        if match is None:
            return group
        return f"{'buffer' if group == 'buffer' else 'mod'}/{self.network.names[int(match[1])]}"

    def merge_own(self, round: int, replies: Mapping[int, Reply]) -> dict[str, np.ndarray]:
        """The pool of all clients that answered, in the order of their numbers."""
        sent = [replies[client].arrays for client in sorted(replies)]
        if len(sent) == 1:
            controls = sent[0][CONTROLS]
        else:
            pools = [arrays[CONTROLS][arrays[USED] > 0] for arrays in sent]
            rng = self._context.rng("init", "matching", round)
            with seeded(self._context, "init", "matching", round):
                controls = matched(pools, self.params.repeats, self.params.largest, rng)
        return {CONTROLS: controls, USED: np.zeros(len(controls), np.int64)}

    def _train(self, train: Cohort, plan: Plan, context: Context) -> None:
        self.network.used.zero_()
        super()._train(train, plan, context)
