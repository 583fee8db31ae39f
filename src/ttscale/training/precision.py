"""Which numbers a device multiplies fast."""

from collections.abc import Mapping
from typing import Any

import torch


def multiplies_bfloat16(device: torch.device) -> bool:
    """True where products in bfloat16 are faster than in float32.

    A CPU without instructions for them emulates them: training then takes more than twice as long.
    An older torch cannot say which ones there are; it gets float32 on a CPU.
    """
    if device.type != "cpu":
        return True
    able: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(able.get("amx_bf16") or able.get("avx512_bf16"))
