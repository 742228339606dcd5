"""The structures of a board as JSON, for programs: section after section, words without marks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from bench.leaderboard.board import Board, Section
from bench.text.clean import json_text


def to_json(board: Board, sections: Iterable[Section[Any]]) -> str:
    encoder = msgspec.json.Encoder(enc_hook=str, order="deterministic")
    structures: dict[str, Any] = {}
    for section in sections:
        if section.aggregate is None:
            continue
        structure = board[section]
        structures |= {section.name: structure} if section.name else msgspec.structs.asdict(structure)
    encoded = {name: msgspec.Raw(encoder.encode(structure)) for name, structure in structures.items()}
    return json_text(msgspec.json.format(msgspec.json.encode(encoded).decode(), indent=1)) + "\n"
