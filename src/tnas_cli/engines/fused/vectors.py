"""An explicit vector type for Numba: kernels hold vectors in registers by construction, not by a vectoriser's luck.

A vector has `lanes` scalars of one floating-point type; LLVM maps it to the registers that the processor has. All
intrinsics take the lanes and the number of registers as compile-time constants: closure variables of a kernel.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

#: Contraction to fused multiply-adds and reassociation are allowed; NaN and infinity keep their meaning.
FAST = ("contract", "reassoc", "nsz", "arcp")


class Vector(types.Type):
    """`lanes` values of a floating-point type."""

    def __init__(self, scalar: types.Float, lanes: int) -> None:
        self.scalar, self.lanes = scalar, lanes
        super().__init__(f"vector({scalar}, {lanes})")


class Registers(types.Type):
    """A fixed number of vectors on the stack, which become registers once the loops over them are unrolled."""

    def __init__(self, vector: Vector, count: int) -> None:
        self.vector, self.count = vector, count
        super().__init__(f"registers({vector}, {count})")


def _ir(vector: Vector) -> ir.VectorType:
    return ir.VectorType(ir.FloatType() if vector.scalar.bitwidth == 32 else ir.DoubleType(), vector.lanes)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Vector) -> None:
        super().__init__(manager, kind, _ir(kind))


@register_model(Registers)
class _RegistersModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Registers) -> None:
        super().__init__(manager, kind, _ir(kind.vector).as_pointer())


def _literal(value: Any) -> int | None:
    return value.literal_value if isinstance(value, types.IntegerLiteral) else None


def _vector_of(pointer: Any, lanes: Any) -> Vector | None:
    """The vector type of a pointer to floats; None (no match) if the lanes are not a constant."""
    count = _literal(lanes)
    if isinstance(pointer, types.CPointer) and count is not None:
        return Vector(pointer.dtype, count)
    return None


def _address(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """The address of element args[1] from the pointer args[0]."""
    index = context.cast(builder, args[1], signature.args[1], types.intp)
    return builder.gep(args[0], [index])


def _splat(builder: Any, value: Any, kind: ir.VectorType) -> Any:
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), kind.count), [0] * kind.count)
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), zeros)


@intrinsic(prefer_literal=True)
def load(typing: Any, pointer: Any, index: Any, lanes: Any) -> Any:
    """`lanes` consecutive elements from `index` on."""
    kind = _vector_of(pointer, lanes)
    if kind is None:
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = builder.bitcast(_address(context, builder, signature, args), _ir(kind).as_pointer())
        value = builder.load(address)
        value.align = kind.scalar.bitwidth // 8
        return value

    return kind(pointer, index, lanes), generate


@intrinsic(prefer_literal=True)
def store(typing: Any, pointer: Any, index: Any, value: Any) -> Any:
    """Write a vector to consecutive elements from `index` on."""
    if not isinstance(value, Vector):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = builder.bitcast(_address(context, builder, signature, args), _ir(value).as_pointer())
        builder.store(args[2], address).align = value.scalar.bitwidth // 8
        return context.get_dummy_value()

    return types.void(pointer, index, value), generate


@intrinsic(prefer_literal=True)
def broadcast(typing: Any, pointer: Any, index: Any, lanes: Any) -> Any:
    """The element at `index` in every lane."""
    kind = _vector_of(pointer, lanes)
    if kind is None:
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _splat(builder, builder.load(_address(context, builder, signature, args)), _ir(kind))

    return kind(pointer, index, lanes), generate


@intrinsic(prefer_literal=True)
def zeros(typing: Any, pointer: Any, lanes: Any) -> Any:
    """A vector of zeros, of the type that `pointer` points to."""
    kind = _vector_of(pointer, lanes)
    if kind is None:
        return None
    return kind(pointer, lanes), lambda context, builder, signature, args: ir.Constant(_ir(kind), None)


def _binary(name: str) -> Any:
    @intrinsic
    def apply(typing: Any, x: Any, y: Any) -> Any:
        return x(x, y), lambda context, builder, signature, args: getattr(builder, name)(*args, flags=FAST)

    return apply


_add, _subtract, _multiply = _binary("fadd"), _binary("fsub"), _binary("fmul")


@overload(operator.add)
def _overload_add(x, y):
    if isinstance(x, Vector) and x == y:
        return lambda x, y: _add(x, y)
    return None


@overload(operator.sub)
def _overload_sub(x, y):
    if isinstance(x, Vector) and x == y:
        return lambda x, y: _subtract(x, y)
    return None


@overload(operator.mul)
def _overload_mul(x, y):
    if isinstance(x, Vector) and x == y:
        return lambda x, y: _multiply(x, y)
    return None


@intrinsic
def fma(typing: Any, x: Any, y: Any, z: Any) -> Any:
    """x * y + z."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fadd(builder.fmul(args[0], args[1], flags=FAST), args[2], flags=FAST)

    return x(x, y, z), generate


def _select(condition: str, with_nan: bool) -> Any:
    """select(x <condition> y, yes, no), lane by lane; a NaN makes the condition true if `with_nan`."""

    @intrinsic
    def apply(typing: Any, x: Any, y: Any, yes: Any, no: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            compare = builder.fcmp_unordered if with_nan else builder.fcmp_ordered
            return builder.select(compare(condition, args[0], args[1]), args[2], args[3])

        return x(x, y, yes, no), generate

    return apply


#: where_greater(x, y, a, b) is a where x > y or either is NaN, else b, so that ReLU passes NaN on;
#: where_equal(x, y, a, b) is a where x == y, else b.
where_greater, where_equal = _select(">", True), _select("==", False)


@intrinsic
def larger(typing: Any, x: Any, y: Any) -> Any:
    """x where x > y, else y: also where either is NaN, so that a ReLU of y, with x = 0, passes NaN on. This is what a
    processor's instruction for maxima does; it takes one step where a comparison and a choice take two or three."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return x(x, y), generate


@intrinsic(prefer_literal=True)
def registers(typing: Any, pointer: Any, count: Any, lanes: Any) -> Any:
    """`count` vectors, not initialised."""
    vector = _vector_of(pointer, lanes)
    if vector is None or _literal(count) is None:
        return None
    kind = Registers(vector, _literal(count) or 0)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        stack = cgutils.alloca_once(builder, ir.ArrayType(_ir(vector), kind.count))
        return builder.bitcast(stack, _ir(vector).as_pointer())

    return kind(pointer, count, lanes), generate


@intrinsic
def get(typing: Any, held: Any, index: Any) -> Any:
    """Register number `index`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        index_ = context.cast(builder, args[1], signature.args[1], types.intp)
        return builder.load(builder.gep(args[0], [index_], source_etype=_ir(held.vector)), typ=_ir(held.vector))

    return held.vector(held, index), generate


@intrinsic
def put(typing: Any, held: Any, index: Any, value: Any) -> Any:
    """Set register number `index`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        index_ = context.cast(builder, args[1], signature.args[1], types.intp)
        builder.store(args[2], builder.gep(args[0], [index_], source_etype=_ir(held.vector)))
        return context.get_dummy_value()

    return types.void(held, index, value), generate


@intrinsic
def splat(typing: Any, value: Any, like: Any) -> Any:
    """A scalar in every lane of a vector such as `like`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _splat(builder, context.cast(builder, args[0], signature.args[0], like.scalar), _ir(like))

    return like(value, like), generate
