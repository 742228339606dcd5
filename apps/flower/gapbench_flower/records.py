"""Messages of `bench.sites` as records of Flower, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict

from bench.sites.messages import Message

LONGEST = 2**24
"""Characters of the words of a message that are read."""


def record_of(message: Message) -> RecordDict:
    """A message as records: arrays as such, words as one JSON text."""
    words = ConfigRecord({"kind": message.kind, "about": json.dumps(dict(message.about))})
    arrays = ArrayRecord({name: Array(np.asarray(array)) for name, array in message.arrays.items()})
    return RecordDict({"words": words, "arrays": arrays})


def message_of(record: Mapping[str, Any]) -> Message:
    """The message in records. Raises ValueError for what is none; NumPy unpickles nothing."""
    words, arrays = record.get("words"), record.get("arrays")
    if not isinstance(words, ConfigRecord) or not isinstance(arrays, ArrayRecord):
        raise ValueError("a message without its records")
    kind, text = words.get("kind"), words.get("about")
    if not isinstance(kind, str) or not isinstance(text, str) or len(text) > LONGEST:
        raise ValueError("a message without its words")
    about = json.loads(text)
    if not isinstance(about, dict):
        raise ValueError("a message whose words are no JSON object")
    return Message(kind, {name: array.numpy() for name, array in arrays.items()}, about)
