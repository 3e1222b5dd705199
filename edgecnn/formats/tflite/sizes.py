"""Sizes that a TFLite file leaves open (-1), and the sizes of all tensors once the input's are known."""

from __future__ import annotations

from typing import Any

from edgecnn.common import sizes
from edgecnn.errors import ModelFileError
from edgecnn.onboard import runtimes


def stated(tensor: Any) -> tuple[int, ...]:
    """Return the sizes that the file fixes, 0 for one that may be resized."""
    signature = tensor.shapeSignature if tensor.shapeSignature is not None else ()
    shape = signature if len(signature) else (tensor.shape if tensor.shape is not None else ())
    return tuple(max(0, int(size)) for size in shape)


def by_default(tensor: Any) -> tuple[int, ...]:
    """Return the sizes that the file fixes or a runtime takes by default, else 0; 1 is a converter's filler."""
    shape = tensor.shape if tensor.shape is not None else ()
    fixed = stated(tensor)
    if len(shape) != len(fixed):
        return fixed
    return tuple(size or (int(usual) if usual > 1 else 0) for size, usual in zip(fixed, shape, strict=True))


def settle(model: Any, data: bytes, shape: tuple[int, ...]) -> None:
    """Set the tensors of `model`'s main graph to the sizes that LiteRT gives them for an input of `shape`.

    Raises:
        ModelFileError: LiteRT refuses such an input.
        MissingPackage: LiteRT is not installed.
    """
    graph = model.subgraphs[0]
    runtimes.get("litert").import_engine()
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    try:
        # Without delegates, because they hide the sizes of inner tensors.
        resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = Interpreter(model_content=data, experimental_op_resolver_type=resolver)
        interpreter.resize_tensor_input(int(graph.inputs[0]), shape, strict=True)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise ModelFileError(f"LiteRT refuses an input of {sizes.words(shape)}: {reason}.") from error
    for detail in interpreter.get_tensor_details():
        if detail["index"] < len(graph.tensors):
            graph.tensors[detail["index"]].shape = detail["shape"]
