"""Distributions of strangers, as installers leave them: modules, and metadata that declare entry
points.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def install(
    site: Path,
    distribution: str,
    plugins: Mapping[str, str] | None = None,
    suites: Mapping[str, str] | None = None,
    modules: Mapping[str, str] | None = None,
) -> str:
    """A folder for the path with a distribution in it.

    plugins, suites: entry point -> module, of the groups `bench` and `bench.suites`; modules: file
                     name -> source.
    """
    info = site / f"{distribution.replace('-', '_')}-9.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 9.0\n")
    groups = {"bench": plugins or {}, "bench.suites": suites or {}}
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in entries.items()) for group, entries in groups.items()]
    (info / "entry_points.txt").write_text("\n".join(lines))
    for name, source in (modules or {}).items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(source)
    return str(site)
