"""What a sample is made of besides text: pictures, boxes, patches, proofs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

from .cards.vocabulary import Vocabulary
from .errors import RecordError

ARTIFACT = Vocabulary(
    "artifact",
    {
        "picture": "an image, as a file of its media type",
        "video": "moving pictures, as a file of their media type",
        "boxes": "rectangles on a picture",
        "patch": "a change to files",
        "proof": "a proof that a program can check",
    },
)
"""Kinds of artifacts; a family that makes another adds it."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One thing, known by its content.

    Attributes:
        kind: what it is, a term of `ARTIFACT`.
        digest: of its bytes; equal for equal content.
        size: how many bytes.
        media_type: how the bytes are to be read.
        data: the bytes; None if they were too many for the recording that it comes from.
    """

    kind: str
    digest: str
    size: int
    media_type: str = "application/octet-stream"
    data: bytes | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        ARTIFACT.check(self.kind, "of a trace")

    @classmethod
    def of(cls, kind: str, data: bytes, media_type: str = "application/octet-stream") -> Artifact:
        """The artifact that these bytes are.

        Raises:
            UnknownName: if the kind is not known.
        """
        digest = hashlib.blake2b(data, digest_size=16).hexdigest()
        return cls(kind, digest, len(data), media_type, data)

    @property
    def content(self) -> bytes:
        """The bytes.

        Raises:
            RecordError: if they were not kept.
        """
        if self.data is None:
            raise RecordError(
                f"the {self.kind} {self.digest} ({self.size} bytes) was too large to be recorded",
                fix="ask the model that made it again",
            )
        return self.data

    def without_data(self) -> Artifact:
        """The artifact by name alone."""
        return replace(self, data=None)
