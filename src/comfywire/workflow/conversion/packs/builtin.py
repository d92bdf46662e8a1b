"""The node packs that Comfywire knows by itself."""

from __future__ import annotations

from comfywire.workflow.conversion.packs import (
    alekpet,
    custom_scripts,
    easy_use,
    efficiency,
    impact,
    kjnodes,
    lora_manager,
    plain,
    rgthree,
    use_everywhere,
    video_helper_suite,
)

__all__ = ["BUILTIN_PACKS"]

BUILTIN_PACKS = (
    *impact.PACKS,
    *plain.PACKS,
    alekpet.PACK,
    custom_scripts.PACK,
    easy_use.PACK,
    efficiency.PACK,
    kjnodes.PACK,
    lora_manager.PACK,
    rgthree.PACK,
    use_everywhere.PACK,
    video_helper_suite.PACK,
)
