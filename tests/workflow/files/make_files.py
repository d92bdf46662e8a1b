"""How the files of this folder were made, by writers that are not ours: Pillow 13, PyAV 18, mutagen 1.48.

Run it in an environment of its own that has them (they are no dependencies of Comfywire):
python make_files.py. Each file holds PROMPT and WORKFLOW where its name says;
nothing in them is anybody's work.
"""

import io
import json
import struct
from importlib import import_module  # mypy has no stubs for these, and need not
from pathlib import Path
from typing import Any

av: Any = import_module("av")
mutagen: Any = import_module("mutagen")
np: Any = import_module("numpy")
Image: Any = import_module("PIL.Image")
PngImagePlugin: Any = import_module("PIL.PngImagePlugin")

HERE = Path(__file__).parent
PROMPT = {
    "3": {
        "class_type": "EmptyImage",
        "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 8388736},
        "_meta": {"title": "Violet ščř"},
        "is_changed": [float("nan")],
    },
    "9": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "violet"}},
}
NODES = [{"id": 3, "type": "EmptyImage"}, {"id": 9, "type": "SaveImage"}]
WORKFLOW = {"nodes": NODES, "links": [], "version": 0.4}
TEXTS = {"prompt": json.dumps(PROMPT), "workflow": json.dumps(WORKFLOW)}
PICTURE = Image.new("RGB", (16, 16), (128, 0, 128))


def png(name, *, add):
    info = PngImagePlugin.PngInfo()
    for key, text in TEXTS.items():
        add(info, key, text)
    PICTURE.save(HERE / name, pnginfo=info)


def exif():
    made = Image.Exif()
    made[0x0110] = f"prompt:{TEXTS['prompt']}"
    made[0x010F] = f"workflow:{TEXTS['workflow']}"
    return made


def user_comment():
    made = Image.Exif()
    made.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + json.dumps(TEXTS).encode("utf-16-le")
    return made


def pictures():
    png("text.png", add=lambda info, key, text: info.add_text(key, text))
    png("compressed.png", add=lambda info, key, text: info.add_text(key, text, zip=True))
    png("international.png", add=lambda info, key, text: info.add_itxt(key, text, zip=key == "prompt"))
    info = PngImagePlugin.PngInfo()
    for key, text in TEXTS.items():
        info.add(b"comf", f"{key}\0{text}".encode("latin-1"), after_idat=True)
    frames = [Image.new("RGB", (16, 16), (n, 0, 128)) for n in (0, 128)]
    frames[0].save(HERE / "animated.png", pnginfo=info, save_all=True, append_images=frames[1:])
    frames[0].save(HERE / "animated.webp", exif=exif(), save_all=True, append_images=frames[1:])
    PICTURE.save(HERE / "exif.jpg", exif=exif())
    PICTURE.save(HERE / "user_comment.jpg", exif=user_comment())
    PICTURE.save(HERE / "comment.jpg", comment=json.dumps(TEXTS).encode())
    PICTURE.save(HERE / "exif.avif", exif=exif())
    PICTURE.save(HERE / "plain.png")
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a cat\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7")
    PICTURE.save(HERE / "a1111.png", pnginfo=info)
    made = Image.Exif()
    made.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + "a cat\nSteps: 20, Sampler: Euler".encode("utf-16-be")
    PICTURE.save(HERE / "a1111.jpg", exif=made)


def video(name, codec, *, texts=TEXTS, **options):
    with av.open(str(HERE / name), "w", options=options) as container:
        for key, text in texts.items():
            container.metadata[key] = text
        stream = container.add_stream(codec, rate=1)
        stream.width = stream.height = 16
        stream.pix_fmt = "yuv420p"
        for packet in stream.encode(av.VideoFrame.from_image(PICTURE)):
            container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)


def audio(name, codec, *, rate=48000, layout="mono", kind="s16", **options):
    with av.open(str(HERE / name), "w", **options) as container:
        for key, text in TEXTS.items():
            container.metadata[key] = text
        stream = container.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 2400), np.int16), format=kind, layout=layout)
        frame.rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


def films_and_sound():
    video("keys.mp4", "mpeg4", movflags="use_metadata_tags")
    video("keys.mov", "mpeg4", movflags="use_metadata_tags")
    video("fragmented.mp4", "mpeg4", movflags="use_metadata_tags+frag_keyframe+empty_moov")
    video("comment.mp4", "mpeg4", texts={"comment": json.dumps(TEXTS)})
    video("comment.mov", "mpeg4", texts={"comment": json.dumps(TEXTS)})
    video("tags.webm", "libvpx-vp9")
    video("tags.mkv", "mpeg4")
    video("live.mkv", "mpeg4", live="1")
    audio("comments.flac", "flac")
    audio("comments.opus", "libopus")
    audio("comments.ogg", "libopus")
    audio("txxx.mp3", "libmp3lame", rate=44100, kind="s16p")
    audio("flac.oga", "flac", format="ogg")


def tagged_sound():
    """ID3 of both versions in use, in the encodings that they allow."""
    id3 = import_module("mutagen.id3")
    silence = (HERE / "txxx.mp3").read_bytes()[-420:]
    for version in (3, 4):
        for name, encoding in (("utf16", 1), ("utf8", 3)):
            if (version, name) == (3, "utf8"):
                continue
            tags = id3.ID3()
            for key, text in TEXTS.items():
                tags.add(id3.TXXX(encoding=encoding, desc=key, text=[text]))
            made = io.BytesIO(silence)
            tags.save(made, v2_version=version)
            (HERE / f"v2{version}_{name}.mp3").write_bytes(made.getvalue()[:9000])


def models_and_shapes():
    tensor = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    header = json.dumps({"__metadata__": TEXTS, "latent_tensor": tensor})
    (HERE / "metadata.latent").write_bytes(struct.pack("<Q", len(header)) + header.encode() + bytes(4))
    asset = {"version": "2.0", "extras": TEXTS}
    scene = json.dumps({"asset": asset, "buffers": [{"byteLength": 4}]}).encode()
    scene += b" " * (-len(scene) % 4)
    chunks = struct.pack("<I4s", len(scene), b"JSON") + scene + struct.pack("<I4s", 4, b"BIN\0") + bytes(4)
    (HERE / "extras.glb").write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)
    both = json.dumps({"prompt": PROMPT, "workflow": WORKFLOW}, indent=2)
    metadata = f"  <metadata>\n<![CDATA[\n{both}\n]]>\n</metadata>"
    opening = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1">'
    drawing = f'{opening}\n{metadata}\n<path d="M0 0"/></svg>'
    (HERE / "cdata.svg").write_text(drawing, encoding="utf-8")


if __name__ == "__main__":
    pictures()
    films_and_sound()
    tagged_sound()
    models_and_shapes()
    for path in sorted(HERE.iterdir()):
        print(f"{path.stat().st_size:6d} {path.name}")  # noqa: T201 (a script)
