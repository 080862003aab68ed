"""Convolution along time by short Fourier transforms, for kernels of a few samples.

The signal is cut into overlapping blocks. The transform of a block times that of the kernel
is the transform of the output, and each product of two complex numbers takes three of real
ones (Gauss). Where channels are many this needs a third of the products of the sum itself,
all of them in matrix products.
"""

import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_BLOCK = 3.2  # lengths of the kernel; the fastest of those tried on a CPU


def fourier_conv(
    x: Float[Array, "samples inputs"], kernel: Float[Array, "taps inputs outputs"]
) -> Float[Array, "samples outputs"]:
    """The sum of kernel[k] and x[t + k - taps // 2] over k, with zeros around x.

    That is `jax.lax.conv_general_dilated` with its usual, odd kernels, to 1e-5.
    """
    (samples, inputs), (taps, _, outputs) = x.shape, kernel.shape
    of_block, of_kernel, to_output = _transforms(taps)
    step = to_output.shape[0]
    count = -(-samples // step)
    before = taps // 2
    x = jnp.pad(x, ((before, (count + 1) * step - samples - before), (0, 0)))
    # blocks by place in them: all that follow are products of plain matrices
    places = jnp.transpose(x.reshape(count + 1, step, inputs), (1, 0, 2))
    blocks = jnp.concatenate([places[:, :-1], places[: taps - 1, 1:]])
    blocks = (of_block @ blocks.reshape(len(blocks), -1)).reshape(-1, count, inputs)
    weights = (of_kernel @ kernel.reshape(taps, -1)).reshape(-1, inputs, outputs)
    products = jnp.matmul(blocks, weights)
    places = to_output @ products.reshape(len(products), -1)
    places = places.reshape(step, count, outputs)
    return jnp.transpose(places, (1, 0, 2)).reshape(-1, outputs)[:samples]


@functools.cache
def _transforms(taps):
    """Matrices from a block and from a kernel to factors, and from products to output.

    (factors, samples of a block), (factors, taps), (samples of the output, factors). Of
    the block, X = a + ib, the factors at each frequency are a + b, a and b; of the kernel,
    conjugated, c + id, they are c, d - c and c + d. Then the real part of the product is
    (a + b) c - b (c + d), the imaginary one (a + b) c + a (d - c).
    """
    size = 2 * round(taps * _BLOCK / 2)
    step = size - taps + 1
    of_block, of_kernel, to_output = [], [], []
    for frequency in range(size // 2 + 1):
        phase = 2 * np.pi * frequency / size * np.arange(size)
        a, b = np.cos(phase), -np.sin(phase)
        if frequency in (0, size // 2):  # real
            of_block.append(a)
            of_kernel.append(a[:taps])
            to_output.append(a[:step] / size)
            continue
        c, d = a[:taps], -b[:taps]
        of_block += [a + b, a, b]
        of_kernel += [c, d - c, c + d]
        real, imaginary = 2 / size * a[:step], 2 / size * b[:step]
        to_output += [real + imaginary, imaginary, -real]
    to_output = np.transpose(to_output)
    return tuple(np.float32(x) for x in (of_block, of_kernel, to_output))
