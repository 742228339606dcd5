"""Metrics that several datasets measure, the first of them the primary one."""

from __future__ import annotations

CLASSIFICATION = ("auroc", "auprc", "f1", "f1_tuned", "brier")
