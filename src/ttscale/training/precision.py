"""Which numbers a device multiplies fast."""

import torch


def multiplies_bfloat16(device: torch.device) -> bool:
    """True where products in bfloat16 are faster than in float32.

    A CPU without instructions for them emulates them: training then takes more than twice as long.
    """
    if device.type != "cpu":
        return True
    able = torch.cpu.get_capabilities()
    return bool(able.get("amx_bf16") or able.get("avx512_bf16"))
