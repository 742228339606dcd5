"""One chest X-ray or ECG from its file to the array a model takes (mimic48 protocol, section 10).

No message names a file: the path holds the patient's number.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.errors import PluginError

if TYPE_CHECKING:
    from scipy import sparse

MILLIVOLT = {"mv": 1.0, "uv": 1e-3, "v": 1e3}
"""Unit of a lead, lower case -> factor to mV."""


class Unreadable(Exception):
    """A file that cannot be used; the text is the reason."""


def need_pillow() -> None:
    """PluginError where Pillow is not installed."""
    try:
        import PIL.Image  # noqa: F401
    except ImportError as error:
        raise PluginError("reading JPEG files needs Pillow; type: pip install 'gapbench[signals]'") from error


def need_wfdb() -> None:
    """PluginError where wfdb is not installed."""
    try:
        import wfdb  # noqa: F401
    except ImportError as error:
        raise PluginError("reading ECGs needs wfdb; type: pip install 'gapbench[signals]'") from error


def read_pixels(path: Path) -> np.ndarray:
    """A JPEG as grey values, uint8 [height, width]. Raises Unreadable."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L"))
    except FileNotFoundError as error:
        raise Unreadable("no such file") from error
    except UnidentifiedImageError as error:
        raise Unreadable("not an image") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Unreadable(f"damaged image ({getattr(error, 'strerror', None) or error})") from error


def prepare_image(pixels: np.ndarray, side: int, low: float, high: float) -> np.ndarray:
    """uint8 [height, width] -> float32 [1, side, side]: 0 becomes `low`, 255 `high`; resized by
    area.

    By area: every new pixel is the mean over exactly the part of the image that it covers, so the
    mean of the image stays. The image is not cropped; what is not square is squeezed, as published.
    """
    shrink = [_overlaps(length, side) for length in pixels.shape]
    small = shrink[1] @ (shrink[0] @ pixels.astype(np.float32)).T
    prepared: np.ndarray = (low + (high - low) / 255 * small.T)[None].astype(np.float32)
    return prepared


def _overlaps(length: int, side: int) -> sparse.csr_array[np.float32]:
    """How much of each old pixel each new one covers, rows summing to 1: sparse float32 [side,
    length].
    """
    from scipy import sparse

    edges = np.linspace(0, length, side + 1)
    first, last = np.floor(edges[:-1]).astype(int), np.ceil(edges[1:] - 1e-9).astype(int)
    counts = last - first
    rows = np.repeat(np.arange(side), counts)
    columns = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[rows]
    covered = np.minimum(columns + 1, edges[rows + 1]) - np.maximum(columns, edges[rows])
    values = (covered * side / length).astype(np.float32)
    return sparse.csr_array((values, (rows, columns)), shape=(side, length))


def read_leads(path: Path, leads: tuple[str, ...], rate: int) -> tuple[np.ndarray, bool]:
    """A WFDB record (path without suffix) as mV, float32 [samples, leads], and whether it was
    resampled to `rate`.

    Leads are found by name, whatever their order and capitals. What is not finite becomes 0, before
    anything else is done with it. Raises Unreadable for a damaged record, a lead that is not there,
    and a unit that is no voltage.
    """
    import wfdb
    from scipy.signal import resample_poly

    try:
        record = wfdb.rdrecord(str(path))
        signal, names, units, recorded_rate = record.p_signal, record.sig_name, record.units, float(record.fs)
    except FileNotFoundError as error:
        raise Unreadable("no such file") from error
    except Exception as error:  # wfdb lets through whatever its parsers raise
        raise Unreadable(f"not a readable WFDB record ({type(error).__name__})") from error
    if signal is None or not len(signal) or not recorded_rate > 0:
        raise Unreadable("a record without samples")
    places = {name.strip().lower(): place for place, name in enumerate(names)}
    if missing := [lead for lead in leads if lead.lower() not in places]:
        raise Unreadable(f"a record without lead {', '.join(missing)}")
    order = [places[lead.lower()] for lead in leads]
    if odd := {units[place] for place in order} - {unit for unit in units if unit.lower() in MILLIVOLT}:
        raise Unreadable(f"a lead in {min(odd)}, which is no voltage")
    values = np.where(np.isfinite(signal), signal, 0)[:, order] * [MILLIVOLT[units[place].lower()] for place in order]
    if resampled := recorded_rate != rate:
        ratio = Fraction(rate / recorded_rate).limit_denominator(10_000)
        values = resample_poly(values, ratio.numerator, ratio.denominator, axis=0)
    return values.astype(np.float32), resampled


def prepare_leads(values: np.ndarray, samples: int) -> np.ndarray:
    """float32 [recorded, leads] -> float32 [leads, samples]: the first ones, zeros where the
    recording is shorter.
    """
    kept = np.zeros((values.shape[1], samples), np.float32)
    kept[:, : len(values)] = values[:samples].T
    return kept
