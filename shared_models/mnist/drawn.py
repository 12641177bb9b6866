"""The sample images: digits drawn stroke by stroke, and one resampled, each in another form that uploads come in."""

import io
from collections.abc import Sequence
from math import cos, radians, sin

from PIL import Image, ImageDraw

from shared_models import digits

Point = tuple[float, float]
Stroke = Sequence[Point]

_ORIENTATION = 0x0112  # EXIF tag; 6 says: turn clockwise to see it upright (what a phone held upright writes)


def samples() -> dict[str, bytes]:
    """File name to content; the digit is the name's first character."""
    upright = draw(STROKES["4"], (120, 160), ink=40, paper=215)
    turned = Image.Exif()
    turned[_ORIENTATION] = 6
    blue = Image.new("RGBA", (96, 128), (20, 30, 120, 0))
    blue.putalpha(draw(STROKES["3"], blue.size))
    return {
        "0.png": _file(Image.fromarray(digits.sample(1)[0][0]), "PNG"),
        "1.jpg": _file(draw(STROKES["1"], (28, 28)), "JPEG", quality=90),
        "3.png": _file(blue, "PNG"),
        "4.jpg": _file(upright.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=80, exif=turned),
        "7.png": _file(draw(STROKES["7"], (200, 200), ink=0, paper=255).convert("1"), "PNG"),
    }


def draw(strokes: Sequence[Stroke], size: tuple[int, int], ink: int = 255, paper: int = 0) -> Image.Image:
    """``strokes`` in the unit square as round lines on a field of ``size`` (width, height), mode L, smooth edges."""
    fine = 8  # drawn so many times larger, then averaged
    side = min(size) * fine
    left, top = (size[0] * fine - side) / 2, (size[1] * fine - side) / 2
    image = Image.new("L", (size[0] * fine, size[1] * fine), paper)
    pen, radius = ImageDraw.Draw(image), side * 0.045
    for stroke in strokes:
        points = [(left + x * side, top + y * side) for x, y in stroke]
        pen.line(points, fill=ink, width=round(2 * radius))
        for x, y in points:  # round joints and ends
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)
    return image.resize(size, Image.Resampling.BOX)


def _arc(x: float, y: float, radius: float, begin: int, end: int) -> Stroke:
    """Points of a circle from angle ``begin`` to ``end`` in degrees, clockwise from three o'clock."""
    step = 10 if end > begin else -10
    return [(x + radius * cos(radians(a)), y + radius * sin(radians(a))) for a in range(begin, end + step, step)]


def _file(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, optimize=True, **options)
    return file.getvalue()


STROKES: dict[str, Sequence[Stroke]] = {
    "1": [[(0.55, 0.17), (0.46, 0.83)]],
    "3": [[*_arc(0.5, 0.34, 0.165, 200, 450), *_arc(0.5, 0.66, 0.175, 270, 520)]],
    "4": [[(0.38, 0.2), (0.32, 0.52), (0.66, 0.5)], [(0.64, 0.22), (0.6, 0.82)]],
    "7": [[(0.3, 0.24), (0.69, 0.22), (0.46, 0.82)]],
}
