"""Download of the Beijing Multi-Site Air Quality data from the UCI repository, checked against
digests of the values.

UCI publishes no checksums. What arrives is checked by what it says: each station's values against
`release.VALUES`.
"""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path, PurePosixPath

from bench.cohort import Counts
from bench.errors import DataError
from bench.files import replacing, storage
from bench_datasets.beijing_air.files import NAME, STATIONS, file_name, folder
from bench_datasets.beijing_air.params import BeijingAirParams
from bench_datasets.beijing_air.read import LARGEST, read_station
from bench_datasets.beijing_air.release import is_published
from bench_datasets.bounded_tar import DAMAGED
from bench_datasets.physionet_download import Report, download

BASE = "https://archive.ics.uci.edu/static/public/501/"
ARCHIVE = "beijing+multi+site+air+quality+data.zip"
MIRROR = "BENCH_BEIJING_AIR_URL"
"""UCI's own folder, the archive in it, and the environment variable that names a mirror of it."""

MOST_MEMBERS = 1000


def fetch(root: Path, params: BeijingAirParams, report: Report) -> None:
    """Download the archive (about 8 MB) and put the files of `params.stations` (where it is empty,
    all) into the folder under `root`.

    A file that is there already is checked and kept. Each file is written whole or not at all, and
    only where its values are those that were published; nothing else of the archive is unpacked.

    Raises DataError where the archive cannot be reached or is damaged, lacks a station, or holds
    other values. The same for a file that is there already and says something else.
    """
    into = folder(root)
    wanted = [station for station in STATIONS if station in (params.stations or STATIONS)]
    lacking = [station for station in wanted if not _is_there(station, into, report)]
    if not lacking:
        return
    base = (os.environ.get(MIRROR) or BASE).rstrip("/") + "/"
    if not base.startswith(("http://", "https://")):
        raise DataError(f"{MIRROR}={base} is not an http:// or https:// address")
    with storage(into):
        into.mkdir(parents=True, exist_ok=True)
    part = into / f"{ARCHIVE}.part"
    try:
        download(base + ARCHIVE, part, MIRROR, report)
    except DataError as error:
        raise DataError(f"{error}; or use a generated cohort: data.root=synthetic") from error
    try:
        _unpack(base + ARCHIVE, part, into, lacking, report)
    finally:  # what arrived is whole: another try must not go on with what another mirror sent
        with storage(part):
            part.unlink(missing_ok=True)


def _unpack(url: str, part: Path, into: Path, stations: list[str], report: Report) -> None:
    """Put the files of these stations out of the archive into a folder."""
    try:
        contents = _members(part.read_bytes())
    except DAMAGED as error:
        raise DataError(
            f"{url} arrived damaged ({error}) and was removed; run the same command again, or name a mirror in {MIRROR}"
        ) from error
    if absent := [station for station in stations if file_name(station) not in contents]:
        raise DataError(f"{url} holds no file of {', '.join(absent)}; is the address right?")
    for station in stations:
        with replacing(into / file_name(station)) as temporary:
            temporary.write_bytes(contents[file_name(station)])
            if not is_published(station, read_station(station, temporary, Counts())):
                raise DataError(
                    f"{url} holds other values of {station} than were published, and they were not kept; name another mirror in "
                    f"{MIRROR}, or put the files into {into} yourself"
                )
        report(f"{file_name(station)} complete, values as published")


def _is_there(station: str, into: Path, report: Report) -> bool:
    name = file_name(station)
    path = next((into / each for each in (name, f"{name}.gz") if (into / each).is_file()), None)
    if not path:
        return False
    if not is_published(station, read_station(station, path, Counts())):
        raise DataError(
            f"{path} is there already and says something else than the published file; keep using it, or move it away and "
            "fetch again"
        )
    report(f"{path.name} is there already, values as published")
    return True


def _members(archive: bytes, inside: bool = False) -> dict[str, bytes]:
    """The files of stations by their names, of an archive and of the archives in it. Raises
    ValueError beyond the bounds.
    """
    contents: dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(archive)) as whole:
        if len(whole.infolist()) > MOST_MEMBERS:
            raise ValueError(f"more than {MOST_MEMBERS:,} members")
        for info in whole.infolist():
            name = PurePosixPath(info.filename).name
            if NAME.fullmatch(name) and name.endswith(".csv"):
                contents[name] = _bounded(whole, info)
            elif name.endswith(".zip") and not inside:
                contents |= _members(_bounded(whole, info), inside=True)
    return contents


def _bounded(whole: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """The content of a member, no more of which is unpacked than a file may have."""
    with whole.open(info) as stream:
        content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"{info.filename} unpacks to more than {LARGEST // 2**20} MiB")
    return content
