"""Exporting a model of the zoo to ONNX, once: the file is kept and shared by every run.

Uses torch's TorchScript exporter: it is in every torch from 2.4 to 2.13 and takes 0.7 s for a
ResNet-50 and 1.8 s for MiniLM, where the exporter built on torch.export takes 7 to 9 s.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from bench import weights
from bench.axes import BATCH, Axes
from bench.errors import Unsupported
from bench.measure import inputs
from bench.model import ModelCard
from bench.onnx.read import MAX_FILE_BYTES
from bench.system import cache

OPSET = 17
"""The newest that the TorchScript exporter of every supported torch writes."""
_GRAPH_BYTES = 16 << 20
"""Room for everything in a file that is not a weight."""


def exported(card: ModelCard, axes: Axes, build: Callable[[], nn.Module]) -> Path:
    """The card's network in fp32 as a kept ONNX file whose free axes have their names.

    Of `axes` only those sizes count that a file cannot leave free. `build` is called only when the
    file is not there yet. Raises Unsupported, HetbenchError.
    """
    fixed = {name: axes[name] for name, axis in card.axes.items() if not axis.free}
    key = cache.key(
        made="onnx export",
        card=asdict(card),
        axes=fixed,
        sources=sources(card),
        torch=torch.__version__,
        opset=OPSET,
    )
    return cache.prepared(key, ".onnx", lambda path: export(card, fixed, build(), path))


def export(card: ModelCard, fixed: Axes, module: nn.Module, path: Path) -> None:
    """Write the module as ONNX; inputs and outputs carry the card's names, and so do free axes.

    `fixed` has the sizes of the axes that are not free. Raises Unsupported when the
    weights do not fit into one file.
    """
    needed = card.weight_bytes + _GRAPH_BYTES
    if needed > MAX_FILE_BYTES:
        raise Unsupported(
            f"{card.name} has {card.weight_bytes / 2**30:.1f} GiB of weights and an ONNX file "
            "holds less than 2 GiB; run it on a torch target"
        )
    # Two items, so that no axis of size 1 is taken for one that broadcasts.
    example = _arguments(card, card.sizes(2, fixed))
    names = [spec.name for spec in card.inputs]
    with warnings.catch_warnings(), torch.no_grad():
        # What the exporter says of its own age, and of Python numbers that a trace makes constant,
        # which at the fixed shapes of a card they are.
        warnings.filterwarnings("ignore", "You are using the legacy TorchScript")
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"torch\.onnx")
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        torch.onnx.export(
            module,
            example,
            str(path),
            input_names=names,
            output_names=list(card.outputs),
            dynamic_axes=_free_axes(card, fixed, module),
            opset_version=OPSET,
            dynamo=False,
        )


def _arguments(card: ModelCard, axes: Axes) -> tuple[Tensor, ...]:
    drawn = inputs.slots(card.inputs, axes, 1, f"{card.name}/export")[0].arrays
    return tuple(torch.from_numpy(drawn[spec.name]) for spec in card.inputs)


def _free_axes(card: ModelCard, fixed: Axes, module: nn.Module) -> dict[str, dict[int, str]]:
    """Input or output -> place of an axis -> its name. Outputs are run at two small sizes of each
    free axis: where their shapes differ, there it is."""
    free = {name: axis for name, axis in card.axes.items() if axis.free}
    named = {name: {0: BATCH} for name in (*(spec.name for spec in card.inputs), *card.outputs)}
    for spec in card.inputs:
        named[spec.name] |= {i: size for i, size in enumerate(spec.shape, 1) if size in free}
    least = {name: axis.least for name, axis in free.items()}
    for name, axis in free.items():
        small, large = (
            _output_shapes(card, card.sizes(1, {**fixed, **least, name: size}), module)
            for size in (axis.least, axis.least + axis.step)
        )
        for output, one, other in zip(card.outputs, small, large, strict=True):
            named[output] |= {i: name for i, size in enumerate(one) if size != other[i]}
    return named


def _output_shapes(card: ModelCard, axes: Axes, module: nn.Module) -> list[torch.Size]:
    with torch.inference_mode():
        found = module(*_arguments(card, axes))
    return [tensor.shape for tensor in (found if isinstance(found, tuple) else (found,))]


def sources(card: ModelCard) -> dict[str, str]:
    """Digests of the code that makes the network, its weights and its file."""
    spec = find_spec(card.module)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    files = [file for folder in folders for file in sorted(Path(folder).glob("*.py"))]
    return {
        file.name: cache.file_digest(file)
        for file in (*files, *map(Path, (weights.__file__, inputs.__file__, __file__)))
    }
