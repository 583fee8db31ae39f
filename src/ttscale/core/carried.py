"""Where a trace keeps what its engine said beside the text, in its `meta`.

Methods do not read these fields. They are as the engine's own protocol has them, and belong to the
client that gets the trace as its reply.
"""

REFUSAL = "refusal"  # the words in which the model declined
MESSAGE = "message"  # fields of the message: annotations, audio, images, ...
REPLY = "reply"  # fields of the whole reply: citations, ...
USAGE = "usage"  # counts beside prompt and completion tokens, as they were reported

CARRIED = frozenset({REFUSAL, MESSAGE, REPLY, USAGE})
