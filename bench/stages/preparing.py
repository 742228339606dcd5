"""The work of the stage `cohort`: a dataset's files become a prepared cohort, cached and
memory-mapped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench import arrays
from bench.cohort import Cohort, Count, Series
from bench.components import Context
from bench.data.manifest import manifest
from bench.errors import DataError
from bench.execute.job import Setup
from bench.registry import Spec
from bench.stages import artifacts
from bench.stages.validate import arrays_of, fields_of, validate


def prepare(spec: Spec, params: Mapping[str, Any], setup: Setup, key: str, context: Context) -> Cohort:
    """The cohort of that key: from the store, else read by the dataset from `setup.root` and put
    there.

    Raises DataError from the dataset, or when its files are not those of `setup.manifest` any more
    once they were read; PluginError when what it returns breaks the contract of `Cohort`.
    """
    name, root = artifacts.cohort(key), Path(setup.root)
    if not setup.store.has(name):
        cohort = spec.build(params).prepare(root, context)
        validate(cohort, spec)
        if setup.manifest and spec.files:
            files = spec.call(spec.files, root, spec.parameters(params))
            if manifest(files, Path(setup.cache)) != setup.manifest:
                raise DataError(
                    f"the files of {spec.name} in {root} changed since the run began; run the same command again"
                )
        save(setup.store.open(name), cohort)
        del cohort  # the file is read back to compare its digest: one of the two in memory is enough
    return load(setup.store.open(name))


def save(path: Path, cohort: Cohort) -> None:
    """Write a cohort to one safetensors file, whole or not at all."""
    tensors: dict[str, np.ndarray] = {"statics": cohort.statics}
    described = {}
    for name, series in cohort.modalities.items():
        tensors |= {f"{name}/{part}": array for part, array in arrays_of(series).items()}
        described[name] = {"channels": series.channels, "units": series.units}
    tensors |= {f"targets/{name}": target for name, target in cohort.targets.items()}
    tensors |= {f"oracle/{name}": outputs for name, outputs in cohort.oracle.items()}
    tensors |= {f"splits/{name}": parts for name, parts in cohort.splits.items()}
    about = {
        "ids": cohort.ids.tolist(),
        "groups": cohort.groups.tolist(),
        "modalities": described,
        "static_names": cohort.static_names,
        "targets": list(cohort.targets),
        "oracle": list(cohort.oracle),
        "splits": list(cohort.splits),
        "columns": {name: values.tolist() for name, values in cohort.columns.items()},
        "bin_hours": cohort.bin_hours,
        "counts": msgspec.to_builtins(cohort.counts),
    }
    arrays.write(path, tensors, {"key": path.stem, "cohort": json.dumps(about)})


def load(path: Path) -> Cohort:
    """A cohort from its file; arrays stay on disk until they are used. Raises StorageError when
    the file is damaged.
    """
    tensors, metadata = arrays.read(path, path.stem)
    about = json.loads(metadata["cohort"])
    modalities = {
        name: Series(channels=tuple(described["channels"]), units=tuple(described["units"]), **fields_of(tensors, name))
        for name, described in about["modalities"].items()
    }
    return Cohort(
        ids=np.array(about["ids"]),
        groups=np.array(about["groups"]),
        modalities=modalities,
        statics=tensors["statics"],
        static_names=tuple(about["static_names"]),
        targets={name: tensors[f"targets/{name}"] for name in about["targets"]},
        oracle={name: tensors[f"oracle/{name}"] for name in about["oracle"]},
        splits={name: tensors[f"splits/{name}"] for name in about.get("splits", ())},
        columns={name: np.array(values, str) for name, values in about.get("columns", {}).items()},
        bin_hours=about["bin_hours"],
        counts=msgspec.convert(about["counts"], dict[str, Count]),
    )
