"""Which release the files are, told by digests of what they say. Light: builds no cohort."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from bench.cohort import Counts
from bench.errors import DataError
from bench_datasets.beijing_air.files import STATIONS, find
from bench_datasets.beijing_air.params import BeijingAirParams
from bench_datasets.beijing_air.read import read_station

TITLE = "Beijing Multi-Site Air Quality (UCI 501)"

VALUES: dict[str, str] = {
    "Aotizhongxin": "7884d147d83b19d8048951f06f911a26e383524b38bcd16a7b07c65d1c53612f",
    "Changping": "f241717cbbdae7fd64ec0cb85dbf5a86e765b2cdb38ca15d09a9cd5657414a74",
    "Dingling": "d9eb2c7b95dc5575dcccf5a33d94602736733f1366347444aa5edffcef814711",
    "Dongsi": "bcdf20c4dfbd8939990079aedc9637a8bb55690478cfd394f78d9616e24ce461",
    "Guanyuan": "e8bfc2fe5e4b1178702d633726e0b5ba52574edd69371ad1c0f3e208a16b8e62",
    "Gucheng": "928c94562e0bc41c3e974f50dbfaff957b98b64230bff5ba8187a80af399392a",
    "Huairou": "73af1f6ca54f311e64856912102dbee897813234c960943438873d684388efef",
    "Nongzhanguan": "b393fae081e09b6b2b76ac163b9f567db5305af1911e3b977935a710421b4747",
    "Shunyi": "1ae74b1b2e651ea55fa736b88dbf393da31d9d6094fc583616196f9c18209d7e",
    "Tiantan": "f6aa33d208f6b2a0d8a89c7a8690d99f22368e14404139b7ad99e287310da2ca",
    "Wanliu": "11b24da6cf6277349aa45f169d85fbbc0c89dd4b5fb8e59f3d9f7d9e138d393d",
    "Wanshouxigong": "fcda393855f93be647df3dfbc85ca66d8ff85467bc52993dd1f3fda3fa1b9ec6",
}
"""Station -> digest (`value_digest`) of what its published file says, whatever program saved it
since.
"""


def value_digest(values: np.ndarray) -> str:
    """SHA-256 of what `read_station` returns, hour after hour: numbers as float32, one NaN for all
    that is missing.
    """
    plain = np.where(np.isnan(values), np.float32(np.nan), values).astype("<f4")
    return hashlib.sha256(np.ascontiguousarray(plain).tobytes()).hexdigest()


def release(root: Path, params: BeijingAirParams) -> str:
    """For example "Beijing Multi-Site Air Quality (UCI 501)", where all 12 stations say what was
    published. Fewer stations, and stations that say anything else, are named. Empty where a file
    is damaged, which the reader refuses.
    """
    paths = find(root, params)
    try:
        others = [name for name, path in paths.items() if not is_published(name, read_station(name, path, Counts()))]
    except DataError:
        return ""
    some = "" if len(paths) == len(STATIONS) else f", {len(paths)} of {len(STATIONS)} stations: {', '.join(paths)}"
    differs = f", but the contents of {', '.join(others)} differ" if others else ""
    return f"{TITLE}{some}{differs}"


def is_published(station: str, values: np.ndarray) -> bool:
    """Whether the values of a station are those of its published file."""
    return VALUES.get(station) == value_digest(values)
