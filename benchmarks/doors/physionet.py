"""Files of PhysioNet 2012, made up; also what suites and words plan with."""

from __future__ import annotations

import functools
import gzip
import io
import random
import tarfile
import tempfile
import warnings
import zipfile
from pathlib import Path

from benchmarks.doors.case import Case
from benchmarks.mutations import (
    mutated_bytes,
    mutated_rows,
)


def _archive(members: dict[str, bytes], layout: str, chance: random.Random | None = None) -> bytes:
    """An archive, the same bytes every time. chance: with one member that no archive of the
    release has.
    """
    odd = chance and chance.randrange(8)
    stream = io.BytesIO()
    if layout == "zip":
        with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            warnings.simplefilter("ignore")  # a name may stand there twice
            for name, content in members.items():
                archive.writestr(zipfile.ZipInfo(name, (2012, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
            if odd and chance:
                archive.writestr(
                    zipfile.ZipInfo(_odd_name(members, chance), (2012, 1, 1, 0, 0, 0)),
                    chance.choice([*members.values(), b"0" * 30_000_000]),
                    zipfile.ZIP_DEFLATED,
                )
        return stream.getvalue()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        if odd and chance:
            info = tarfile.TarInfo(_odd_name(members, chance))
            info.type = chance.choice(
                [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.REGTYPE, tarfile.DIRTYPE]
            )
            info.linkname = chance.choice(["../../../x", "/etc/passwd", *members])
            tar.addfile(info)
    return gzip.compress(stream.getvalue(), mtime=0)


def _odd_name(members: dict[str, bytes], chance: random.Random) -> str:
    return chance.choice(
        [
            "../../../x.txt",
            "/x/21.txt",
            "set-a/" + "9" * 90 + ".txt",
            "set-a/\u0663.txt",
            "set-a/x/../11.txt",
            "21.txt",
            *members,
        ]
    )


def _stays() -> tuple[dict[str, str], str]:
    from support.physionet_files import STAYS, outcomes

    return STAYS, outcomes(dict.fromkeys(STAYS, (5, 0)))


@functools.cache
def stand_in() -> Path:
    """A folder with made-up stays in the layout of PhysioNet 2012, for commands that only need
    some data.
    """
    from support.physionet_files import STAYS, write_set

    root = Path(tempfile.mkdtemp(prefix="bench-fuzz-")) / "data"
    write_set(root, STAYS, results=dict.fromkeys(STAYS, (5, 0)))
    return root


def physionet(chance: random.Random) -> Case:
    """Text files of PhysioNet 2012, in a folder, a .tar.gz or a .zip; and the outcomes."""
    stays, results = _stays()
    members = {f"set-a/{name}.txt": text.encode() for name, text in stays.items()}
    layout = chance.choice(["dir", "dir", "tar.gz", "zip"])
    place = "physionet2012"
    others = [*members.values(), results.encode()]
    how = chance.randrange(5)
    raw = outcome = False
    if how == 0:
        outcome = True
    elif how == 1 and layout != "dir":
        raw = True
    for name in chance.sample(sorted(members), 1) if not (outcome or raw) else ():
        if chance.random() < 0.5:
            members[name] = mutated_bytes(members[name], chance, others)
        else:
            members[name] = _table(members[name], chance)
    if outcome:
        results = (_table if chance.random() < 0.6 else lambda b, c: mutated_bytes(b, c, others))(
            results.encode(), chance
        ).decode("latin-1")
    files = {f"{place}/Outcomes-a.txt": results.encode("latin-1")}
    if layout == "dir":
        files |= {f"{place}/{name}": content for name, content in members.items()}
    else:
        whole = _archive(members, layout, chance if raw else None)
        files[f"{place}/set-a.{layout}"] = mutated_bytes(whole, chance) if raw and chance.random() < 0.6 else whole
    return Case([("data", "verify", "physionet2012", "data.root=physionet2012")], files)


def _table(content: bytes, chance: random.Random) -> bytes:
    """A table of text after changes of its fields, rows, columns or names."""
    rows = [line.split(",") for line in content.decode().splitlines()]
    end = chance.choice(["\n", "\n", "\n", "\r\n", "\r"])
    return (end.join(",".join(row) for row in mutated_rows(rows, chance)) + end).encode("utf-8", "surrogatepass")
