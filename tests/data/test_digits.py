"""Pictures of digits become images as MNIST's are: MNIST itself, drawn large, says how."""

import numpy as np
import pytest
import torch
from PIL import Image

from probnn.data import from_picture, load_mnist

IMAGES = load_mnist("test").images[:100]


def enlarged(image, place=(100, 40), ink_is_dark=True):
    """An MNIST image ten times as large, somewhere on a sheet."""
    levels = (255 * image[0]).byte().numpy()
    sheet = Image.new("L", (600, 400), 0)
    sheet.paste(Image.fromarray(levels).resize((280, 280), Image.Resampling.NEAREST), place)
    levels = np.asarray(sheet)
    return 255 - levels if ink_is_dark else levels


@pytest.mark.parametrize("ink_is_dark", [True, False])
def test_an_enlarged_mnist_image_comes_back_as_it_was(ink_is_dark):
    back = torch.cat([from_picture(enlarged(x, ink_is_dark=ink_is_dark)) for x in IMAGES])
    errors = (back - IMAGES).square().mean((1, 2, 3))
    # a few of MNIST's have specks or another size; the mean square of an image is 0.1
    assert errors.median() < 1e-4 and (errors < 1e-3).float().mean() > 0.9


def test_where_the_digit_stands_on_the_sheet_does_not_matter():
    one, other = (from_picture(enlarged(IMAGES[0], place)) for place in ((10, 20), (300, 110)))
    assert torch.equal(one, other)


def test_a_file_a_picture_and_an_array_give_the_same(tmp_path):
    sheet = enlarged(IMAGES[3])
    Image.fromarray(sheet).save(tmp_path / "digit.png")
    expected = from_picture(sheet)
    assert torch.equal(from_picture(tmp_path / "digit.png"), expected)
    assert torch.equal(from_picture(str(tmp_path / "digit.png")), expected)
    assert torch.equal(from_picture(Image.fromarray(sheet).convert("RGB")), expected)


def test_transparent_parts_count_as_white_paper():
    sheet = enlarged(IMAGES[3])
    layers = np.zeros((*sheet.shape, 4), np.uint8)
    layers[..., 3] = 255 - sheet  # black ink, opaque where it is
    assert torch.allclose(from_picture(Image.fromarray(layers)), from_picture(sheet), atol=0.02)


def test_an_uneven_sheet_does_not_hide_the_digit():
    sheet = enlarged(IMAGES[0]).astype(float) * np.linspace(0.95, 1.0, 600)  # darker on the left
    assert (from_picture(sheet.astype(np.uint8)) - IMAGES[0]).square().mean() < 0.01


def test_a_stroke_of_one_pixel_and_a_line_over_the_whole_sheet_are_digits_too():
    paper = np.full((28, 28), 255, np.uint8)
    paper[3:25, 14] = 0
    image = from_picture(paper)
    assert image.shape == (1, 1, 28, 28) and image.max() == 1
    assert (image[0, 0].amax(1) > 0).sum() == 20  # rows with ink
    wide = np.full((50, 400), 255, np.uint8)
    wide[20:30, 50:350] = 0
    assert (from_picture(wide)[0, 0].amax(0) > 0).sum() == 20


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_empty_sheet_is_refused(level):
    with pytest.raises(ValueError, match="expected ink that differs from the paper"):
        from_picture(np.full((100, 100), level, np.uint8))


@pytest.mark.parametrize(
    "array, message",
    [
        (np.zeros((4, 4)), "uint8"),
        (np.zeros(4, np.uint8), "shape"),
        (np.zeros((9, 9, 5), np.uint8), "shape"),
        (torch.zeros(28, 28), "got Tensor"),
        (np.zeros((1, 9), np.uint8), "2 x 2"),
    ],
)
def test_what_is_no_picture_is_refused(array, message):
    with pytest.raises(ValueError, match=message):
        from_picture(array)


def test_a_photograph_is_turned_as_it_was_held(tmp_path):
    sheet, turned = Image.fromarray(enlarged(IMAGES[3])), Image.Exif()
    turned[0x0112] = 6  # to be turned by a quarter, clockwise
    sheet.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "digit.png", exif=turned)
    assert torch.equal(from_picture(tmp_path / "digit.png"), from_picture(sheet))


def test_a_file_that_is_cut_off_is_named(tmp_path):
    Image.fromarray(enlarged(IMAGES[3])).save(tmp_path / "digit.png")
    whole = (tmp_path / "digit.png").read_bytes()
    (tmp_path / "digit.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"digit\.png, which is none, or damaged"):
        from_picture(tmp_path / "digit.png")


def test_a_file_that_is_no_picture_is_named(tmp_path):
    (tmp_path / "digit.png").write_text("not a picture")
    with pytest.raises(ValueError, match=r"digit\.png"):
        from_picture(tmp_path / "digit.png")
    with pytest.raises(FileNotFoundError):
        from_picture(tmp_path / "missing.png")
