"""The file suffix of bytes that come without a name: nodes, and the editor's lists, choose by the suffix."""

from __future__ import annotations

import re

__all__ = ["HEAD_BYTES", "suffix_of"]

HEAD_BYTES = 4096
"""So much of the beginning is looked at."""

MAGIC: tuple[tuple[bytes, str], ...] = (
    # pictures
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
    (b"II*\0", ".tiff"),
    (b"MM\0*", ".tiff"),
    (b"II+\0", ".tiff"),
    (b"MM\0+", ".tiff"),
    (b"8BPS", ".psd"),
    (b"\0\0\1\0", ".ico"),
    (b"\x76\x2f\x31\x01", ".exr"),
    (b"#?RADIANCE", ".hdr"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", ".jxl"),
    (b"\xff\x0a", ".jxl"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", ".jp2"),
    # video
    (b"FLV\1", ".flv"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", ".wmv"),
    (b"\0\0\1\xba", ".mpg"),
    (b"\0\0\1\xb3", ".mpg"),
    # sound
    (b"fLaC", ".flac"),
    (b"ID3", ".mp3"),
    (b"#!AMR", ".amr"),
    (b"MThd", ".mid"),
    # 3D
    (b"glTF", ".glb"),
    (b"ply\n", ".ply"),
    (b"ply\r\n", ".ply"),
    (b"Kaydara FBX Binary", ".fbx"),
)
IN_RIFF = {b"WEBP": ".webp", b"WAVE": ".wav", b"AVI ": ".avi"}
IN_FORM = {b"AIFF": ".aiff", b"AIFC": ".aiff"}
# The major brand of an ISO base media file; every other one is taken for a film.
BRANDS = {
    b"avif": ".avif",
    b"avis": ".avif",
    b"heic": ".heic",
    b"heix": ".heic",
    b"hevc": ".heic",
    b"mif1": ".heif",
    b"msf1": ".heif",
    b"M4A ": ".m4a",
    b"M4B ": ".m4a",
    b"qt  ": ".mov",
    b"3gp4": ".3gp",
    b"3gp5": ".3gp",
    b"3gp6": ".3gp",
}
# Files of QuickTime's time begin with one of its atoms, without saying what they are.
ATOMS = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
SVG = re.compile(
    rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!DOCTYPE svg[^>]*>\s*)?<svg[\s>]", re.DOTALL
)
TRANSPORT_PACKET = 188


def suffix_of(head: bytes) -> str:
    """Return the suffix, dot included, of a file that begins with ``head``; ``.bin`` if nobody knows it."""
    for magic, suffix in MAGIC:
        if head.startswith(magic):
            return suffix
    match head[:4], head[4:8], head[8:12]:
        case b"RIFF", _, kind:
            return IN_RIFF.get(kind, ".bin")
        case b"FORM", _, kind:
            return IN_FORM.get(kind, ".bin")
        case _, b"ftyp", brand:
            return BRANDS.get(brand, ".mp4")
        case _, atom, _ if atom in ATOMS:
            return ".mov"
        case b"\x1a\x45\xdf\xa3", _, _:
            return ".webm" if b"webm" in head[:64] else ".mkv"
        case b"OggS", _, _:
            return _ogg(head)
    return _by_structure(head)


def _ogg(head: bytes) -> str:
    if b"\x80theora" in head[:512]:
        return ".ogv"
    return ".opus" if head[28:36] == b"OpusHead" else ".ogg"


def _by_structure(head: bytes) -> str:
    """Formats without a magic number: streams of frames, and text."""
    if head[:1] == b"G" and head[TRANSPORT_PACKET : TRANSPORT_PACKET + 1] == b"G":
        return ".ts"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        # The layer's two bits: none is AAC, layer 3 and 2 are what players call MP3.
        return ".aac" if head[1] & 0x06 == 0 else ".mp3"
    return ".svg" if SVG.match(head.removeprefix(b"\xef\xbb\xbf")) else ".bin"
