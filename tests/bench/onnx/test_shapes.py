from __future__ import annotations

import pytest

from bench.errors import RefusedInput, UsageError
from bench.onnx import shapes as onnx_shapes
from bench.onnx.shapes import Binding, bind, parse


def test_shapes_are_read_from_the_command_line() -> None:
    assert parse(["image=1x3x224x224", "a=b=Nx8", "scale="]) == {
        "image": (1, 3, 224, 224),
        "a=b": (onnx_shapes.FREE, 8),
        "scale": (),
    }


@pytest.mark.parametrize("text", ["image", "=1x2", "x=1x-2", "x=3xN", "x=axb", "x=1x0", "x=1,2"])
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"shape|size 0"):
        parse([text])


def test_a_shared_free_leading_axis_is_the_batch() -> None:
    axes = {"ids": ["b", 128], "mask": ["b", 128]}
    assert bind(axes, {}) == Binding({"ids": (128,), "mask": (128,)}, None)


def test_an_unnamed_free_leading_axis_is_the_batch() -> None:
    assert bind({"x": [None, 3]}, {}) == Binding({"x": (3,)}, None)


def test_n_keeps_the_batch_free_and_a_number_fixes_it() -> None:
    axes = {"x": ["b", 3, "h", "w"]}
    assert bind(axes, parse(["x=Nx3x8x9"])) == Binding({"x": (3, 8, 9)}, None)
    assert bind(axes, parse(["x=4x3x8x9"])) == Binding({"x": (3, 8, 9)}, 4)


def test_a_named_axis_bound_once_is_bound_everywhere() -> None:
    axes = {"ids": ["b", "s"], "mask": ["b", "s"]}
    assert bind(axes, parse(["mask=2x16"])) == Binding({"ids": (16,), "mask": (16,)}, 2)


def test_a_shared_fixed_leading_number_is_the_only_batch() -> None:
    assert bind({"a": [2, 3], "b": [2, 5]}, {}) == Binding({"a": (3,), "b": (5,)}, 2)


@pytest.mark.parametrize("axes", [{"a": [2, 3], "b": [4]}, {"a": [2, 3], "b": []}])
def test_inputs_that_share_no_leading_axis_are_one_item(axes: dict[str, list[int]]) -> None:
    shapes = {name: tuple(shape) for name, shape in axes.items()}
    assert bind(axes, {}) == Binding(shapes, 1, whole=True)


def test_a_leading_axis_that_the_outputs_lack_is_no_batch() -> None:
    assert bind({"x": [3, 8]}, {}, batched_outputs=False) == Binding({"x": (3, 8)}, 1, whole=True)
    with pytest.raises(RefusedInput, match="--shape x=1x8"):
        bind({"x": ["n", 8]}, {}, batched_outputs=False)


def test_open_axes_are_named_with_what_to_write() -> None:
    with pytest.raises(RefusedInput) as caught:
        bind({"image": ["b", 3, "h", None]}, {})
    assert str(caught.value) == (
        "the model leaves axes open: h of the input 'image', axis 3 of the input "
        "'image'; bind them, for example with --shape image=Nx3x224x224"
    )
    with pytest.raises(
        RefusedInput,
        match=r"a of the input 'x', s of the input 'x', b of the input 'y'"
        ".*--shape x=1x128 --shape y=1x128",
    ):
        bind({"x": ["a", "s"], "y": ["b", "s"]}, {})


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("imag=1x3", "--shape names the input 'imag'; the model has image"),
        ("image=1x3", "2 axes where the model has 4: bx3xhxw"),
        ("image=1x4x8x8", "an axis of 4 where the model has 3"),
    ],
)
def test_a_shape_against_the_model_is_refused(shape: str, words: str) -> None:
    with pytest.raises(RefusedInput, match=words):
        bind({"image": ["b", 3, "h", "w"]}, parse([shape]))


def test_two_numbers_for_one_named_axis_are_refused() -> None:
    with pytest.raises(RefusedInput, match="an axis of 9 where the model has 8"):
        bind({"a": ["b", "s"], "c": ["b", "s"]}, parse(["a=1x8", "c=1x9"]))
    with pytest.raises(RefusedInput, match="axis of N where the model has 1"):
        bind({"a": [1, 8]}, parse(["a=Nx8"]))
