"""Image files of one golden digit, good and bad, built in code."""

import io
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared_models import Model

SCALE = 10  # pixels of the drawn digit per pixel of the golden
ORIENTATION, TURN_LEFT = 0x0112, 8  # EXIF 2.3, 4.6.4: "the 0th row is the visual left, the 0th column the bottom"
BOMB_SIDE = 50_000  # 2.5 gigapixels


@dataclass(frozen=True, slots=True)
class Digit:
    """A golden digit, (28, 28) 0..255 white on black, and its label; turned on its side it is another digit."""

    pixels: NDArray[np.uint8]
    label: int

    @classmethod
    def of(cls, model: Model) -> "Digit":
        """The golden that the model is surest of among those whose answer changes when they are turned."""
        golden = model.golden()
        images = golden.inputs.reshape(-1, 28, 28)
        turned = np.rot90(images, axes=(1, 2)).reshape(golden.inputs.shape)
        labels = golden.outputs.argmax(axis=1)
        changed = model.predict(np.ascontiguousarray(turned)).argmax(axis=1) != labels
        index = int(np.where(changed, golden.outputs.max(axis=1), -1).argmax())
        return cls(np.rint(images[index] * 255).astype(np.uint8), int(labels[index]))

    def image(self) -> Image.Image:
        """A drawing of it, 280x280, mode L."""
        side = 28 * SCALE
        return Image.fromarray(self.pixels).resize((side, side), Image.Resampling.BICUBIC)


def readable(digit: Digit) -> dict[str, bytes]:
    """Files in common forms, all of them the same digit to the eye."""
    grey = digit.image()
    inverted = Image.fromarray(255 - np.asarray(grey))
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    ink = Image.new("RGBA", grey.size, (0, 0, 0, 0))
    ink.putalpha(grey)  # black ink on nothing, as drawing programs export it
    exif = Image.Exif()
    exif[ORIENTATION] = TURN_LEFT
    return {
        "jpg": _file(grey.convert("RGB"), "JPEG"),
        "png": _file(grey, "PNG"),
        "small": _file(Image.fromarray(digit.pixels), "PNG"),
        "black-on-white": _file(inverted, "PNG"),
        "exif-rotated": _file(grey.rotate(-90), "JPEG", exif=exif),
        "cmyk": _file(grey.convert("RGB").convert("CMYK"), "JPEG"),
        "16-bit": _file(deep, "PNG"),
        "rgba": _file(grey.convert("RGBA"), "PNG"),
        "transparent": _file(ink, "PNG"),
        "palette": _file(grey.convert("P"), "PNG"),
        "one-bit": _file(grey.convert("1", dither=Image.Dither.NONE), "PNG"),
    }


def unreadable(digit: Digit) -> dict[str, bytes]:
    """Files that no server can answer."""
    jpg, png = _file(digit.image(), "JPEG"), _file(digit.image(), "PNG")
    return {
        "empty-file": b"",
        "not-an-image": b"This is no image, whatever its name says.",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="28" height="28"/>',
        "truncated-jpg": jpg[: len(jpg) // 2],
        "truncated-png": png[: len(png) // 2],
        "damaged-png": png[:60] + bytes(len(png) - 60),
        "png-header-alone": png[:33],
        "bomb-by-header": _png(BOMB_SIDE, BOMB_SIDE, zlib.compress(b"\\0" * 64)),
        "bomb": bomb(),
    }


def bomb(side: int = 20_000) -> bytes:
    """A whole and valid PNG of some 50 kB that decodes to side * side pixels: 400 MB in mode L."""
    return _png(side, side, zlib.compress(bytes((side // 8 + 1) * side), 9), depth=1)


def _png(width: int, height: int, data: bytes, depth: int = 8) -> bytes:
    """A grey PNG file around compressed rows (PNG specification, 3rd edition, 5.3)."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _file(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()
