"""SVG: the JSON in ``<metadata><![CDATA[...]]></metadata>`` (SaveSVGNode of comfy_extras, 0.3.64).

Found by searching, not by parsing: an XML parser would have to be kept from expanding entities and from
loading what a document refers to, and none of that is needed for one element that ComfyUI puts in front.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from comfywire.workflow.metadata.bounded import MOST_BYTES, decode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from comfywire.workflow.metadata.bounded import BoundedFile, Text

__all__ = ["read_svg"]

_OPENING = re.compile(r"<metadata(?:\s[^<>]*)?>")
_CDATA = "<![CDATA["


def read_svg(file: BoundedFile) -> Iterator[Text]:
    """Yield the text of each ``metadata`` element, under the key ``metadata``."""
    picture = decode(file.at(0, min(file.size, MOST_BYTES)))
    end = 0
    while opening := _OPENING.search(picture, end):
        end = picture.find("</metadata>", opening.end())
        if end == -1:
            return
        content = picture[opening.end() : end].strip()
        if content.startswith(_CDATA):
            yield "metadata", content.removeprefix(_CDATA).removesuffix("]]>").strip()
        elif content:
            yield "metadata", html.unescape(content)
