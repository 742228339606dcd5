"""Did a method get worse, by more than its own noise? A new run against a pinned one, method by
method.

Cells are compared by their coordinates, since edited source rightly changes the key. What can be
compared at all must be the same test (`bench.gate.same_test`).

**What is judged** (`bench.gate.quantities`). Of a method (task, modality set, scenario, imputer,
fuser): the primary metric and calibration (ECE, Brier score); one that failed an audit counts as
not ok. Of an imputation (modality set, scenario, imputer), which all fusers share: MAE, RMSE and
CRPS over all hidden entries. Costs of both only where a tolerance for them is given.

**The noise of a difference** (`bench.gate.noise`). Where two seeds or more are in both runs, only
these are compared, seed by seed. Both runs scored the same patients, and under the same seed the
same entries were hidden. So what patients and masks do to a score cancels. With the n differences d
of the seeds,

    noise floor = t(1 - level/2, n - 1) x sd(d) / sqrt(n)            (paired; Student 1908)

With fewer seeds in common, scores scatter by s, the standard deviation over the baseline's seeds
(n - 1 degrees of freedom). Between b of its seeds and k of the new run's:

    noise floor = t(1 - level/2, n - 1) x s x sqrt(1/b + 1/k)

Against several runs (`earlier`), each method of the new run is compared with the mean of those that
have it, seed by seed. A method of some of them alone that the new run lacks is not judged. Their
noise is that of `bench.statistics.steps`: what they and the new run scatter about both means and
the seeds' effects. With one run that is the paired formula above. A run that repeats the values of
another counts once, and one that has those of the new run does not count.

An unchanged method exceeds any of these by chance with probability `level`, whatever its noise is.
What cannot differ has no noise, and any difference beyond rounding counts. That holds on a CPU,
under the same seed, for a method whose imputer and fuser are declared deterministic. It also holds
for a quantity that is the same for all seeds of the baseline. A quantity whose own noise is not
known takes the pooled s of the scattering methods of its table.

**Level.** By chance an unchanged method is called improved or worse in at most `alpha` of all
comparisons, whatever number m of its quantities is judged. Each is judged at level alpha / m
(Bonferroni: nothing is assumed of how they depend on each other). Costs share another alpha, so
that judging them takes no power from the rest. Of M unchanged methods with fresh seeds, at most
alpha x M are called improved or worse by chance; the report says so.

**Verdicts.**

- improved, worse: the difference is beyond the noise floor (and beyond the tolerance), or an ok
  cell is now not ok or failed an audit.
- same: no difference, or it is within the tolerance, or within the normal noise (z in place of t).
- inconclusive: between the two: it would be beyond the noise if s were known, and few seeds do not
  say. Or the noise cannot be learnt, or planned cells of the new run were not run yet, or edited
  since.
- not-comparable: another test, the baseline's cell is not ok, or the method is only in one of the
  two plans.

The verdict on a method is the worst of its quantities, that on a run the worst of all.
"""

from bench.gate.judge import gate
from bench.gate.verdict import EXIT_CODE, GRAVITY, GateReport, Judgement, Verdict

__all__ = ["EXIT_CODE", "GRAVITY", "GateReport", "Judgement", "Verdict", "gate"]
