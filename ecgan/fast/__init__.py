r"""The same networks, quicker: nothing here changes a number beyond rounding.

:func:`accelerate` binds another ``forward`` to the parts that it knows; keys, weights and classes
stay. The method itself stands in :mod:`ecgan.method`, and knows nothing of this.
"""

from ecgan.fast.accelerate import accelerate, accelerated, is_accelerated, plain

__all__ = ["accelerate", "accelerated", "is_accelerated", "plain"]
