"""What of Sleep-EDF is read, and how a night becomes epochs. Light."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

EPOCH = 30
"""Seconds of an epoch, as it was scored."""

FAST, SLOW = 100, 1
"""Samples per second in the files: EEG and EOG; respiration and the envelope of the EMG."""

CHANNELS = {
    "eeg_fpz_cz": ("EEG Fpz-Cz", FAST),
    "eeg_pz_oz": ("EEG Pz-Oz", FAST),
    "eog": ("EOG horizontal", FAST),
    "resp": ("Resp oro-nasal", SLOW),
    "emg": ("EMG submental", SLOW),
}
"""Modality -> the signal of the files and its rate."""

SC20 = 20
"""The subjects of the part sc20 are those below."""

STAGES = ("W", "N1", "N2", "N3", "REM")

AGE_BAND = "age_band"
"""The column with the age of the sleeper, in bands."""


class SleepedfParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of Sleep-EDF is read, and how a night becomes epochs; see
    docs/reference/suites/sleepedf.md.
    """

    part: Annotated[
        Literal["sc20", "sc"],
        msgspec.Meta(description="Subjects 0 to 19 of the sleep-cassette recordings, or all of them."),
    ] = "sc20"
    rate: Annotated[
        Literal[10, 20, 25, 50, 100],
        msgspec.Meta(
            description="Samples per second of the grid. Fast signals are resampled with an anti-aliasing filter (polyphase)."
        ),
    ] = 50
    slow: Annotated[
        Literal["once", "held"],
        msgspec.Meta(
            description="A signal of one sample a second stands in the first bin of its second, the others are missing "
            "(once), or is repeated in all bins of its second (held). Held copies tell a hidden bin."
        ),
    ] = "once"
    wake: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=1440,
            description="Minutes that are kept before the first and after the last epoch of sleep; the rest of the day is "
            "left out.",
        ),
    ] = 30
    age_edges: Annotated[
        tuple[Annotated[int, msgspec.Meta(ge=1, le=150)], ...],
        msgspec.Meta(description="Ages at which a new band of the column `age_band` begins, rising."),
    ] = (35, 50, 65, 80)
    subjects: Annotated[
        int,
        msgspec.Meta(
            ge=4,
            le=78,
            description="Subjects of the generated stand-in; more than 20 need `part=sc`. With `data.root=synthetic` only; "
            "else a warning says that it has no effect.",
        ),
    ] = 8
    minutes: Annotated[
        int,
        msgspec.Meta(
            ge=30,
            le=600,
            description="Minutes of a generated night. With `data.root=synthetic` only; else a warning says that it has no "
            "effect.",
        ),
    ] = 40
    generator_seed: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            description="Seed of the generated stand-in. With `data.root=synthetic` only; else a warning says that it has "
            "no effect.",
        ),
    ] = 0

    def __post_init__(self) -> None:
        if list(self.age_edges) != sorted(set(self.age_edges)):
            raise ValueError("age_edges must rise")
        if self.part == "sc20" and self.subjects > SC20:
            raise ValueError(f"subjects={self.subjects} needs part=sc, since sc20 ends with subject {SC20 - 1}")
