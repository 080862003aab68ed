"""A JAX function as an ONNX model: its jaxpr, one primitive after another.

What follows from the weights alone is computed here and stored. Complex numbers are pairs
of real tensors. FFTs are two stages of matrix products (Cooley and Tukey 1965), which
every runtime has and which are fast for sizes without large prime factors. A primitive
that has no translation is an error that names it.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from inr_jax.errors import InputError

if TYPE_CHECKING:
    import onnx

# Read by onnxruntime since 1.11, of 2022.
_OPSET, _IR_VERSION = 17, 8
# What is computed of stored arrays is stored where it has at most so many elements, or no
# more than one of them; always where it is computed of nothing, as a range is.
_SMALL = 4096
# Primitives that call a function once, which is written in their place.
_CALLS = ("jit", "custom_jvp_call", "custom_vjp_call")


def convert(
    function: Callable,
    inputs: Mapping[str, jax.ShapeDtypeStruct],
    outputs: list[str],
    metadata: Mapping[str, Any],
) -> "onnx.ModelProto":
    """The model of a function of arrays of fixed shapes.

    Args:
      function: Takes one real array for each input, gives a sequence of real arrays.
      inputs: By name.
      outputs: Names of what it gives.
      metadata: Properties of the model, written as text.

    Raises:
      InputError: the package onnx is not installed.
      NotImplementedError: it does something that has no translation.
    """
    try:
        from onnx import checker, helper
    except ImportError:
        raise InputError(
            "ONNX files are made by onnx: pip install 'inr_jax[export]'"
        ) from None
    graph = _Graph()
    closed = jax.make_jaxpr(function)(*inputs.values())
    found = _translate(graph, closed.jaxpr, closed.consts, list(inputs))
    for value, name in zip(found, outputs, strict=True):
        graph.nodes.append(helper.make_node("Identity", [graph.name(value)], [name]))

    def described(names, variables):
        types = [helper.np_dtype_to_tensor_dtype(x.aval.dtype) for x in variables]
        shapes = [x.aval.shape for x in variables]
        return list(map(helper.make_tensor_value_info, names, types, shapes))

    model = helper.make_model(
        helper.make_graph(
            graph.needed(outputs),
            "inr_jax",
            described(inputs, closed.jaxpr.invars),
            described(outputs, closed.jaxpr.outvars),
            graph.tensors(outputs),
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="inr_jax",
    )
    helper.set_model_props(model, {key: str(x) for key, x in metadata.items()})
    checker.check_model(model)
    return model


class _Graph:
    """Nodes and stored arrays of a model under construction."""

    def __init__(self):
        self.nodes = []
        self.expanded = {}  # names of tensors that were broadcast, before it
        self._stored = {}
        self._count = itertools.count()

    def add(self, op: str, *inputs: Any, **attributes: Any) -> str:
        """A node of one output, whose name is given back."""
        from onnx import helper

        name = f"{op.lower()}_{next(self._count)}"
        names = [self.name(x) for x in inputs]
        self.nodes.append(helper.make_node(op, names, [name], name, **attributes))
        return name

    def name(self, value: str | np.ndarray) -> str:
        """The name of a tensor, stored once where its value is known."""
        if isinstance(value, str):
            return value
        value = np.asarray(value)
        key = (value.dtype.str, value.shape, value.tobytes())
        if key not in self._stored:
            self._stored[key] = f"stored_{len(self._stored)}", value
        return self._stored[key][0]

    def needed(self, outputs: list[str]) -> list:
        """The nodes that the outputs depend on."""
        needed, kept = set(outputs), []
        for node in reversed(self.nodes):
            if node.output[0] in needed:
                needed.update(node.input)
                kept.append(node)
        return [*self._widenings(needed), *reversed(kept)]

    def tensors(self, outputs: list[str]) -> list:
        """The stored arrays that the nodes depend on."""
        from onnx import numpy_helper

        used = {name for node in self.needed(outputs) for name in node.input}
        arrays = [
            (f"{name}_half", x.astype(np.float16)) if _fits_half(x) else (name, x)
            for name, x in self._stored.values()
        ]
        return [numpy_helper.from_array(x, name) for name, x in arrays if name in used]

    def _widenings(self, needed):
        """Weights that were rounded to 16 bits are stored so: casts that undo it."""
        from onnx import TensorProto, helper

        return [
            helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT)
            for name, x in self._stored.values()
            if name in needed and _fits_half(x)
        ]


def _fits_half(x):
    if x.dtype != np.float32 or x.size < _SMALL:
        return False
    with np.errstate(over="ignore"):
        return np.array_equal(x, x.astype(np.float16).astype(np.float32))


def _translate(graph, jaxpr, constants, arguments):
    """The values of the outputs: a name, a known array, or a pair of these if complex."""
    values = dict(zip(jaxpr.constvars, map(np.asarray, constants), strict=True))
    values.update(zip(jaxpr.invars, arguments, strict=True))

    def read(variable):
        known = isinstance(variable, core.Literal)
        return np.asarray(variable.val) if known else values[variable]

    for equation in jaxpr.eqns:
        found = _equation(graph, equation, [read(x) for x in equation.invars])
        values.update(zip(equation.outvars, found, strict=True))
    return [read(x) for x in jaxpr.outvars]


def _equation(graph, equation, inputs):
    name = equation.primitive.name
    if name in _CALLS:
        inner = equation.params.get("jaxpr") or equation.params["call_jaxpr"]
        return _translate(graph, inner.jaxpr, inner.consts, inputs)
    if len(equation.outvars) != 1:
        raise NotImplementedError(f"no ONNX operator for {name} of JAX")
    (output,) = equation.outvars
    known = all(isinstance(x, np.ndarray) for x in inputs)
    if known and (
        not inputs or output.aval.size <= max(_SMALL, *(x.size for x in inputs))
    ):
        arrays = map(jnp.asarray, inputs)
        return [np.asarray(equation.primitive.bind(*arrays, **equation.params))]
    if name not in _TRANSLATIONS:
        raise NotImplementedError(f"no ONNX operator for {name} of JAX")
    return [_TRANSLATIONS[name](graph, equation, *inputs)]


def _shape_of(equation):
    return equation.outvars[0].aval.shape


def _ints(*values):
    return np.array(values, np.int64)


def _is_complex(x):
    return isinstance(x, tuple) or not isinstance(x, str) and np.iscomplexobj(x)


def _pair(x):
    """Real and imaginary part of a complex value."""
    return x if isinstance(x, tuple) else (np.real(x), np.imag(x))


def _by_parts(translation):
    """Translates what does the same to real and imaginary parts."""

    def translated(graph, equation, *inputs):
        if not any(map(_is_complex, inputs)):
            return translation(graph, equation, *inputs)
        real, imaginary = zip(*map(_pair, inputs), strict=True)
        return (
            translation(graph, equation, *real),
            translation(graph, equation, *imaginary),
        )

    return translated


def _elementwise(op):
    def translated(graph, equation, *inputs):
        parts = _before_broadcast(graph, equation, [(x,) for x in inputs])
        return graph.add(op, *(x for (x,) in parts))

    return translated


def _before_broadcast(graph, equation, inputs):
    """Parts of the inputs of an operator that broadcasts by itself.

    They are as before a broadcast wherever one has the shape of the output without it.
    """
    names = [list(map(graph.name, parts)) for parts in inputs]
    if not any(
        x.aval.shape == _shape_of(equation) and not graph.expanded.keys() >= set(parts)
        for x, parts in zip(equation.invars, names, strict=True)
    ):
        return names
    return [[graph.expanded.get(x, x) for x in parts] for parts in names]


def _product(graph, op, x, y):
    """Of complex pairs."""
    (a, b), (c, d) = x, y
    minus = graph.add("Sub", graph.add(op, a, c), graph.add(op, b, d))
    return minus, graph.add("Add", graph.add(op, a, d), graph.add(op, b, c))


def _mul(graph, equation, *inputs):
    if not any(map(_is_complex, inputs)):
        return _elementwise("Mul")(graph, equation, *inputs)
    parts = _before_broadcast(graph, equation, list(map(_pair, inputs)))
    return _product(graph, "Mul", *parts)


def _reshape(graph, equation, x):
    return graph.add("Reshape", x, _ints(*_shape_of(equation)))


def _broadcast(graph, equation, x):
    shape, old = _shape_of(equation), equation.invars[0].aval.shape
    aligned = [1] * len(shape)
    for axis, size in zip(equation.params["broadcast_dimensions"], old, strict=True):
        aligned[axis] = size
    x = graph.add("Reshape", x, _ints(*aligned))
    return x if tuple(aligned) == shape else _expand(graph, x, shape)


def _expand(graph, x, shape):
    name = graph.add("Expand", x, _ints(*shape))
    graph.expanded[name] = x
    return name


def _slice(graph, equation, x):
    params = equation.params
    starts, ends = params["start_indices"], params["limit_indices"]
    steps = params["strides"] or [1] * len(starts)
    axes = range(len(starts))
    return graph.add(
        "Slice", x, *(_ints(*each) for each in (starts, ends, axes, steps))
    )


def _concatenate(graph, equation, *parts):
    # to Reshape, 0 is no size
    sizes = [x.aval.size for x in equation.invars]
    parts = [x for x, size in zip(parts, sizes, strict=True) if size]
    return graph.add("Concat", *parts, axis=equation.params["dimension"])


def _stack(graph, equation, *parts):
    axis = equation.params["axis"]
    shape = list(_shape_of(equation))
    shape[axis] = 1
    parts = [graph.add("Reshape", x, _ints(*shape)) for x in parts]
    return graph.add("Concat", *parts, axis=axis)


def _pad(graph, equation, x, value):
    low, high, interior = zip(*equation.params["padding_config"], strict=True)
    if any(interior) or min(*low, *high) < 0:
        raise NotImplementedError("padding between elements, or of less than 0")
    if not any((*low, *high)):
        return x
    return graph.add("Pad", x, _ints(*low, *high), value)


def _convert(graph, equation, x):
    from onnx import helper

    dtype, old = equation.params["new_dtype"], equation.invars[0].aval.dtype
    if dtype == old:
        return x
    if jnp.issubdtype(dtype, jnp.complexfloating):
        return x, _expand(graph, np.zeros((), np.float32), _shape_of(equation))
    return graph.add("Cast", x, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _is_finite(graph, equation, x):
    bad = graph.add("Or", graph.add("IsNaN", x), graph.add("IsInf", x))
    return graph.add("Not", bad)


def _integer_pow(graph, equation, x):
    if equation.params["y"] != 2:
        raise NotImplementedError("powers other than squares")
    return graph.add("Mul", x, x)


def _dot(graph, equation, x, y):
    """Matrix products of the last axis with the first of a matrix."""
    (left, right), (batch, _) = equation.params["dimension_numbers"]
    ranks = [len(v.aval.shape) for v in equation.invars]
    if batch or tuple(left) != (ranks[0] - 1,) or tuple(right) != (0,) or ranks[1] != 2:
        raise NotImplementedError(f"products of {equation.params['dimension_numbers']}")
    return graph.add("MatMul", x, y)


def _convolution(graph, equation, x, kernel):
    params = equation.params
    numbers = params["dimension_numbers"]
    if params["feature_group_count"] != 1 or set(params["lhs_dilation"]) != {1}:
        raise NotImplementedError("grouped or transposed convolutions")
    y = graph.add(
        "Conv",
        graph.add("Transpose", x, perm=numbers.lhs_spec),
        np.transpose(kernel, numbers.rhs_spec),
        strides=params["window_strides"],
        dilations=params["rhs_dilation"],
        pads=np.transpose(params["padding"]).ravel().tolist(),
    )
    return graph.add("Transpose", y, perm=np.argsort(numbers.out_spec).tolist())


def _fft(graph, equation, x):
    """Of the last axis, real to complex or back."""
    kind, (size,) = equation.params["fft_type"], equation.params["fft_lengths"]
    *lead, bins = equation.invars[0].aval.shape
    if kind == jax.lax.FftType.RFFT:
        spectrum = _transform(graph, (x, None), lead, size, -1)
        return tuple(_first(graph, part, len(lead), size // 2 + 1) for part in spectrum)
    if kind != jax.lax.FftType.IRFFT:
        raise NotImplementedError(f"FFT of type {kind}")
    # all but the ends count for their conjugates as well
    scale = np.full(bins, 2 / size, np.float32)
    scale[[0, -1] if size % 2 == 0 else [0]] /= 2
    pads = [0] * (2 * len(lead) + 1) + [size - bins]
    whole = [
        graph.add("Pad", graph.add("Mul", part, scale), _ints(*pads))
        for part in _pair(x)
    ]
    return _transform(graph, whole, lead, size, 1)[0]


def _first(graph, x, axis, count):
    return graph.add("Slice", x, _ints(0), _ints(count), _ints(axis))


def _transform(graph, pair, lead, size, sign):
    """The sum over n of x_n exp(sign 2 pi i n k / size), size = first * second.

    With n = second * n1 + n2 and k = k1 + first * k2, transforms over n1, then over n2.
    """
    first = max(n for n in range(1, math.isqrt(size) + 1) if size % n == 0)
    second = size // first

    def roots(rows, columns, period):
        turns = np.outer(np.arange(rows), np.arange(columns)) % period / period
        wave = np.exp(sign * 2j * np.pi * turns).astype(np.complex64)
        return wave.real.copy(), wave.imag.copy()

    shape = _ints(*lead, first, second)
    x = [None if part is None else graph.add("Reshape", part, shape) for part in pair]
    inner = roots(first, first, first)
    if x[1] is None:
        y = tuple(graph.add("MatMul", part, x[0]) for part in inner)
    else:
        y = _product(graph, "MatMul", inner, x)
    y = _product(graph, "Mul", y, roots(first, second, size))
    y = _product(graph, "MatMul", y, roots(second, second, second))
    last = len(lead)
    perm = [*range(last), last + 1, last]
    y = [graph.add("Transpose", part, perm=perm) for part in y]
    return tuple(graph.add("Reshape", part, _ints(*lead, size)) for part in y)


_TRANSLATIONS = {
    "abs": lambda graph, equation, x: graph.add("Abs", x),
    "add": _by_parts(_elementwise("Add")),
    "broadcast_in_dim": _by_parts(_broadcast),
    "complex": lambda graph, equation, x, y: (x, y),
    "concatenate": _by_parts(_concatenate),
    "conv_general_dilated": _convolution,
    "convert_element_type": _convert,
    "cos": _elementwise("Cos"),
    "div": _elementwise("Div"),
    "dot_general": _dot,
    "expand_dims": _by_parts(_reshape),
    "fft": _fft,
    "gt": _elementwise("Greater"),
    "imag": lambda graph, equation, x: _pair(x)[1],
    "integer_pow": _integer_pow,
    "is_finite": _is_finite,
    "log": _elementwise("Log"),
    "logistic": _elementwise("Sigmoid"),
    "lt": _elementwise("Less"),
    "max": _elementwise("Max"),
    "mul": _mul,
    "pad": _by_parts(_pad),
    "real": lambda graph, equation, x: _pair(x)[0],
    "reduce_sum": lambda graph, equation, x: graph.add(
        "ReduceSum", x, _ints(*equation.params["axes"]), keepdims=0
    ),
    "reshape": _by_parts(_reshape),
    "rsqrt": lambda graph, equation, x: graph.add("Reciprocal", graph.add("Sqrt", x)),
    "select_n": lambda graph, equation, where, no, yes: graph.add(
        "Where", where, yes, no
    ),
    "sin": _elementwise("Sin"),
    "slice": _by_parts(_slice),
    "square": lambda graph, equation, x: graph.add("Mul", x, x),
    "squeeze": _by_parts(_reshape),
    "stack": _by_parts(_stack),
    "sub": _by_parts(_elementwise("Sub")),
    "transpose": _by_parts(
        lambda graph, equation, x: graph.add(
            "Transpose", x, perm=equation.params["permutation"]
        )
    ),
}
