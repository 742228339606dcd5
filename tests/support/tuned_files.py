"""Files as `bench tune` writes them, made by hand."""

from __future__ import annotations

from bench.tuning.file import Protocol, Trial, Tuned, TunedMethod, write

DEFAULT = {"rate": 0.1, "steps": 10, "layers": [8, 8], "note": "", "on": False}


def protocol(**changes):
    made = {
        "kind": "fuser", "suite": "small", "profile": "demo", "dataset": "made", "data": {"sets": [], "clean": True},
        "manifest": "m",
        "split": {"seed": 0, "fractions": [0.7, 0.15, 0.15]}, "training": {}, "fill_absent": False, "precision": "fp32",
        "task": "ihm", "modalities": ("all",),
        "scenario": ("natural",), "imputer": ("plain",), "seed": (1,), "draws": 1, "inputs": "i",
        "metric": "auroc", "higher": True,
        "trials": 2, "optuna": "5",
    }  # fmt: skip
    return Protocol(**{**made, **changes})


def tuned_method(default=DEFAULT, best=1, **chosen):
    trials = (Trial(values={}, status="ok", score=0.5), Trial(values=chosen, status="ok", score=0.6))
    return TunedMethod(best=best, seconds=1.0, default=default, chosen={**default, **chosen}, trial=trials)


def tuned_file(path, protocol=protocol(), **methods):
    write(path, Tuned(command="bench tune", protocol=protocol, method=methods or {"flat": tuned_method(rate=0.7)}))
    return path
