"""From an image file to 28x28: every form an upload may have, and every way it may be broken."""

import io
import struct
import subprocess
import sys
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from shared_models import InvalidInput, Model, load
from shared_models.image import FORMATS, MAX_PIXELS, fit, preprocess
from shared_models.mnist.drawn import STROKES, draw, samples

MNIST = load("mnist")
EXIF_ORIENTATION = 0x0112


def _file(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def _seven(size: tuple[int, int] = (90, 120), ink: int = 255, paper: int = 0) -> Image.Image:
    return draw(STROKES["7"], size, ink, paper)


def _digit(data: bytes) -> int:
    pixels = MNIST.preprocess(data)
    assert pixels.shape == (28, 28)
    assert pixels.dtype == np.float32
    assert pixels.min() >= 0
    assert pixels.max() <= 1
    return int(MNIST.predict(pixels[None]).argmax())


def _png(width: int, height: int) -> bytes:
    """A PNG whose header promises that size, with next to no data."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def test_28x28_is_taken_as_it_is() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)
    pixels[[0, -1]] = pixels[:, [0, -1]] = 3
    expected = pixels.astype(np.float32) / np.float32(255)
    assert np.array_equal(preprocess(_file(Image.fromarray(pixels))), expected)
    assert np.array_equal(preprocess(_file(Image.fromarray(255 - pixels))), expected)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("paper", [0, 255])
def test_formats(form: str, paper: int) -> None:
    assert _digit(_file(_seven(ink=255 - paper, paper=paper), form)) == 7


def _in_mode(grey: Image.Image, mode: str) -> Image.Image:
    pixels = np.asarray(grey)
    if mode == "1":
        return grey.convert("1", dither=Image.Dither.NONE)
    if mode == "I;16":
        return Image.fromarray(pixels.astype(np.uint16) * 257)
    if mode == "I":
        return Image.fromarray(pixels.astype(np.int32) * 257)
    if mode == "F":
        return Image.fromarray(pixels.astype(np.float32) / 255)
    return grey.convert("RGB").convert(mode) if mode in ("CMYK", "YCbCr") else grey.convert(mode)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "I", "F", "I;16"])
@pytest.mark.parametrize("paper", [0, 255])
def test_modes(mode: str, paper: int) -> None:
    grey = _seven(ink=255 - paper, paper=paper)
    image = _in_mode(grey, mode)
    data = _file(image, "PNG" if mode in ("1", "L", "P", "RGB", "RGBA", "LA", "I;16") else "TIFF")
    assert Image.open(io.BytesIO(data)).mode == mode
    expected = preprocess(_file(image.convert("L") if mode == "1" else grey))
    assert np.abs(preprocess(data) - expected).max() < 0.05
    assert _digit(data) == 7


@pytest.mark.parametrize("mode", ["RGB", "LA", "CMYK", "YCbCr", "I", "F", "I;16"])
def test_28x28_in_other_modes_is_scaled_by_its_range(mode: str) -> None:
    one = draw(STROKES["1"], (28, 28))
    data = _file(_in_mode(one, mode), "PNG" if mode == "LA" else "TIFF")
    assert np.abs(preprocess(data) - preprocess(_file(one))).max() < 0.02


def test_a_cmyk_photograph() -> None:
    assert _digit(_file(_seven(ink=0, paper=255).convert("RGB").convert("CMYK"), "JPEG")) == 7


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_counts(form: str) -> None:
    frames = [draw(STROKES[digit], (60, 60)) for digit in "713"]
    assert _digit(_file(frames[0], form, save_all=True, append_images=frames[1:])) == 7


def test_16_bits_are_scaled_not_clipped() -> None:
    pixels = np.zeros((28, 28), np.uint16)
    pixels[10:18, 10:18] = np.linspace(0, 65535, 64).reshape(8, 8)
    expected = pixels.astype(np.float32) / 65535
    for form in ("PNG", "TIFF"):
        image = Image.fromarray(pixels)
        assert image.mode == "I;16"
        assert np.abs(preprocess(_file(image, form)) - expected).max() <= 1 / 255


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_rotation_is_applied(orientation: int, form: str) -> None:
    turn = Image.Transpose
    undo = {
        2: turn.FLIP_LEFT_RIGHT, 3: turn.ROTATE_180, 4: turn.FLIP_TOP_BOTTOM, 5: turn.TRANSPOSE, 6: turn.ROTATE_90,
        7: turn.TRANSVERSE, 8: turn.ROTATE_270,
    }  # fmt: skip
    upright = _seven()
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    assert np.abs(preprocess(_file(stored, form, exif=exif)) - preprocess(_file(upright))).max() < 0.35
    assert _digit(_file(stored, form, exif=exif)) == 7


@pytest.mark.parametrize("ink", [0, 255])
@pytest.mark.parametrize("hidden", [0, 255])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_paper(ink: int, hidden: int, mode: str) -> None:
    """Whatever colour hides where nothing is seen."""
    alpha = _seven()
    grey = Image.composite(
        Image.new("L", alpha.size, ink), Image.new("L", alpha.size, hidden), alpha.point(lambda v: v)
    )
    image = Image.merge("LA", (grey, alpha))
    if mode == "P":
        solid = alpha.point([255 * (value > 127) for value in range(256)])
        palette = Image.frombytes("P", alpha.size, solid.point([1 * (v > 127) for v in range(256)]).tobytes())
        palette.putpalette([hidden] * 3 + [ink] * 3)
        data = _file(palette, transparency=bytes([0, 255]))
    else:
        data = _file(image.convert(mode))
    assert _digit(data) == 7


def test_fully_transparent_is_blank() -> None:
    assert not preprocess(_file(Image.new("RGBA", (50, 40), (255, 0, 0, 0)))).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (27, 28), (28, 28), (29, 29), (2, 2), (1000, 700)])
@pytest.mark.parametrize("grey", [0, 255])
def test_blank_images_give_zeros(size: tuple[int, int], grey: int) -> None:
    assert not preprocess(_file(Image.new("L", size, grey))).any()


def test_paper_that_is_nearly_even_is_blank() -> None:
    noise = np.random.default_rng(3).integers(190, 210, (60, 60), dtype=np.uint8)
    assert not preprocess(_file(Image.fromarray(noise))).any()


@pytest.mark.parametrize("size", [(28, 29), (56, 56), (400, 90), (90, 400), (2000, 1500)])
def test_any_size_any_place(size: tuple[int, int]) -> None:
    wide = Image.new("L", size, 255)
    seven = draw(STROKES["7"], (min(size) // 2, min(size) // 2), 0, 255)
    wide.paste(seven, (size[0] - seven.width, size[1] - seven.height))
    assert _digit(_file(wide)) == 7


def test_grey_ink_on_grey_paper() -> None:
    assert _digit(_file(_seven(ink=90, paper=180))) == 7
    assert _digit(_file(_seven(ink=180, paper=90))) == 7


def test_fit_centres_by_mass_in_a_box_of_20() -> None:
    field = fit(_seven((300, 200)))
    rows, columns = np.nonzero(field)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
    for axis in (0, 1):
        mass = field.sum(axis=1 - axis, dtype=np.float64)
        assert abs(np.average(np.arange(28) + 0.5, weights=mass) - 14.5) <= 0.5


def test_fit_leaves_mnist_as_it_is(mnist_files: Any) -> None:
    """MNIST's own images, given a border, come back: the normalisation is the one they were made by."""
    originals = mnist_files.test_images[:500]
    refitted = np.stack([fit(Image.fromarray(np.pad(image, 3))) for image in originals])
    same = [np.array_equal(a, b) for a, b in zip(originals, refitted, strict=True)]
    assert np.mean(same) > 0.5
    before, after = (
        (MNIST.predict(images.astype(np.float32) / 255).argmax(axis=1) == mnist_files.test_labels[:500]).mean()
        for images in (originals, refitted)
    )
    assert abs(before - after) <= 0.01


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 40), st.integers(1, 40), st.binary(min_size=1, max_size=60))
def test_any_pixels_give_a_field(width: int, height: int, seed: bytes) -> None:
    pixels = np.resize(np.frombuffer(seed, np.uint8), (height, width))
    field = preprocess(_file(Image.fromarray(np.ascontiguousarray(pixels))))
    assert field.shape == (28, 28)
    assert 0 <= field.min() <= field.max() <= 1


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_damaged_files_are_answered_or_refused(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(FILES)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    for damaged in (bytes(content), bytes(content[:cut])):
        try:
            field = preprocess(damaged)
        except InvalidInput as refusal:
            assert "expected " in str(refusal)  # noqa: PT017
        else:
            assert field.shape == (28, 28)


FILES = [_file(_seven((30, 40)), form) for form in FORMATS] + list(samples().values())


@pytest.mark.parametrize(
    "data", [b"", b"not an image", b"{}", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"%PDF-1.7", b"P6 1 1 255 abc"]
)
def test_no_image(data: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"expected an image \(PNG, JPEG, BMP, GIF, WEBP, TIFF\), found"):
        preprocess(data)


@pytest.mark.parametrize("form", ["PPM", "ICO", "TGA", "PDF", "EPS", "SGI", "PCX", "JPEG2000"])
def test_other_formats_are_refused_though_pillow_reads_them(form: str) -> None:
    with pytest.raises(InvalidInput, match=r"expected an image \(PNG"):
        preprocess(_file(_seven(), form))


@pytest.mark.parametrize("form", FORMATS)
def test_truncated(form: str) -> None:
    noisy = Image.fromarray(np.random.default_rng(5).integers(0, 256, (120, 90), dtype=np.uint8))
    whole = _file(noisy, form)
    with pytest.raises(InvalidInput, match="expected") as refusal:
        preprocess(whole[: len(whole) // 2])
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("size", [(5001, 5000), (10_000, 10_000), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
def test_decompression_bombs_are_refused_by_their_header(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidInput, match=rf"expected an image of at most {MAX_PIXELS} pixels, found"):
        preprocess(_png(*size))


def test_a_real_bomb_costs_neither_time_nor_memory() -> None:
    """100 megapixels in 100 kB; in a process of its own, which may not even hold them decoded."""
    rows = zlib.compress(b"\0" * 10_001 * 10_000, 9)
    bomb = _png(10_000, 10_000).replace(_chunk(b"IDAT", zlib.compress(b"\0" * 100)), _chunk(b"IDAT", rows))
    program = (
        "import resource, sys\nfrom shared_models.image import preprocess\nimport PIL.Image\n"
        "data = sys.stdin.buffer.read()\nbefore = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: preprocess(data)\nexcept ValueError as error: print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-W", "default", "-c", program], input=bomb, capture_output=True, check=True)
    message, grown = done.stdout.decode().splitlines()
    assert "found 10000x10000" in message
    assert int(grown) < 40_000  # kB; the pixels would be 100,000
    assert done.stderr == b""


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def test_warnings_stay_inside() -> None:
    """Pillow warns of odd files; a server's log is no place for that. (Outside pytest, which resets filters.)"""
    program = (
        "import io\nfrom PIL import Image\nfrom shared_models.image import preprocess\n"
        "p = Image.new('P', (40, 40)); p.putpalette([0, 0, 0, 255, 255, 255]); f = io.BytesIO()\n"
        "p.save(f, 'PNG', transparency=bytes([0, 255])); preprocess(f.getvalue()); f = io.BytesIO()\n"
        "Image.new('L', (40, 40)).save(f, 'JPEG', exif=b'Exif\\0\\0II*\\0\\x08\\0\\0\\0\\x09\\0\\x12\\x01')\n"
        "preprocess(f.getvalue())"
    )
    done = subprocess.run([sys.executable, "-W", "always", "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_a_model_without_images_says_what_it_takes(iris: Model) -> None:
    with pytest.raises(InvalidInput, match="iris takes no images: expected sepal_length, sepal_width, petal_length"):
        iris.preprocess(b"")
