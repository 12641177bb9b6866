"""From any image of a digit to what MNIST looks like: 28x28 pixels, white on black, 0..1.

The normalisation is the one by which MNIST itself was made (Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, 1998,
section III.A): the ink is scaled into a 20x20 box, its proportions kept, and placed so that its centre of mass is the
centre of the 28x28 field.
"""

import functools
import io
import warnings
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared_models.errors import InvalidInput, first_line

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 28  # of the field
BOX = 20  # the ink's longer side within it
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
MAX_PIXELS = 25_000_000  # a 25-megapixel photograph; decoded to RGBA that is 100 MB
FAINT = 0.15  # of full contrast: below it a pixel is paper, not ink, and an image whose contrast is below it is blank


def preprocess(data: bytes) -> NDArray[np.float32]:
    """(28, 28) float32, white on black, 0..1, for the bytes of an image file of any size and mode.

    Dark ink on light ground is inverted. An image of 28x28 pixels is otherwise taken as it is; any other is cropped
    to its ink and brought into the field by `fit`. A blank image gives zeros. Raises `InvalidInput` for what is no
    image of `FORMATS`, is damaged, or has more than `MAX_PIXELS` pixels (seen in the header, before decoding).
    """
    image = white_on_black(decode(data))
    field = np.asarray(image) if image.size == (SIDE, SIDE) else fit(image)
    return field.astype(np.float32) / np.float32(255)


def decode(data: bytes) -> "Image":
    """The first frame as an 8-bit grey image (Pillow mode L), upright by its EXIF orientation."""
    pillow = _pillow()
    formats = ", ".join(FORMATS)
    if not data:
        raise InvalidInput(f"expected an image ({formats}), found no bytes")
    try:
        image = pillow.open(io.BytesIO(data), formats=FORMATS)
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning):
        raise InvalidInput(f"expected an image of at most {MAX_PIXELS} pixels, found many more") from None
    except Exception:  # Pillow's readers have no common error: a hostile header ends in any of a dozen
        raise InvalidInput(f"expected an image ({formats}), found {len(data)} bytes that are none") from None
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise InvalidInput(f"expected an image of at most {MAX_PIXELS} pixels, found {width}x{height}")
    try:
        from PIL import ImageOps

        ImageOps.exif_transpose(image, in_place=True)
        return _grey(image)
    except Exception as error:  # as above: truncated or damaged data, or a colour space without a way to grey
        found = f"{image.format} of {width}x{height} that cannot be read ({first_line(error)})"
        raise InvalidInput(f"expected a whole image, found a {found}") from None


def white_on_black(image: "Image") -> "Image":
    """``image`` (mode L), inverted when its paper is light."""
    return image.point(_INVERT) if _paper(image) > 127 else image


def fit(image: "Image") -> NDArray[np.uint8]:
    """(28, 28) uint8: the ink of ``image`` (mode L, white on black), stretched to full contrast, MNIST's way.

    MNIST's way is the 20x20 box, centred by mass. A blank image gives zeros.
    """
    field = np.zeros((SIDE, SIDE), np.uint8)
    paper = _paper(image)
    contrast = float(np.asarray(image).max()) - paper
    if contrast < FAINT * 255:
        return field
    stretched = image.point([round(255 * min(max((value - paper) / contrast, 0), 1)) for value in range(256)])
    ink = stretched.point([255 * (value > FAINT * 255) for value in range(256)]).getbbox()
    cropped = stretched.crop(ink)
    scale = BOX / max(cropped.size)
    width, height = (max(1, round(side * scale)) for side in cropped.size)
    small = np.asarray(cropped.resize((width, height), _pillow().Resampling.BICUBIC))
    top, left = _offset(small.sum(axis=1)), _offset(small.sum(axis=0))
    field[top : top + height, left : left + width] = small
    return field


_INVERT = list(range(255, -1, -1))


def _paper(image: "Image") -> float:
    """The grey of the ground: the median of the outermost pixels."""
    pixels = np.asarray(image)
    return float(np.median(np.concatenate((pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]))))


def _offset(mass: NDArray[np.uint64]) -> int:
    """Where a profile of mass begins in the field so that its centre falls on pixel 14, all of it inside.

    Pixel 14 spans 14 to 15: in MNIST's own images the centre of mass lies there, not on the border between 13 and 14.
    """
    centre = float(np.average(np.arange(len(mass)) + 0.5, weights=mass)) if mass.any() else len(mass) / 2
    return min(max(round(SIDE / 2 + 0.5 - centre), 0), SIDE - len(mass))


def _grey(image: "Image") -> "Image":
    """Any mode to 8-bit grey; deep pixels by their range, where `Image.convert` would clip them at 255."""
    if image.mode.startswith("I;16"):
        return _pillow().fromarray((np.asarray(image) >> 8).astype(np.uint8))  # type: ignore[no-any-return]
    if image.mode in ("I", "F"):
        pixels = np.nan_to_num(np.asarray(image, dtype=np.float32)).clip(0)
        # Neither declares a range. Older Pillow opens 16-bit PNG as I; floats mostly end at 1.
        top = max(65535.0 if image.mode == "I" else 1.0, float(pixels.max()))
        return _pillow().fromarray((pixels / top * 255).round().astype(np.uint8))  # type: ignore[no-any-return]
    if image.has_transparency_data:
        return _composited(image.convert("RGBA"))
    if image.mode not in ("1", "L"):
        image = image.convert("RGB")  # CMYK and YCbCr have no direct way to L
    return image.convert("L")


def _composited(image: "Image") -> "Image":
    """An RGBA image on the ground that its ink stands out from: white under dark ink, black under light."""
    grey, alpha = image.convert("RGB").convert("L"), image.getchannel("A")
    seen = np.array(grey.histogram(alpha))  # of the pixels that are not fully transparent
    light = seen.any() and np.average(np.arange(256), weights=seen) > 127
    ground = _pillow().new("L", image.size, 0 if light else 255)
    ground.paste(grey, mask=alpha)
    return ground  # type: ignore[no-any-return]


@functools.cache
def _pillow() -> ModuleType:
    """PIL.Image, loaded with the first image; what it warns of is either harmless (odd EXIF) or refused above."""
    from PIL import Image

    warnings.filterwarnings("ignore", module=r"PIL\.")
    return Image
