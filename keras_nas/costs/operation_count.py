"""How much arithmetic something takes."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class OperationCount:
    """Arithmetic of a layer, or of anything else.

    Attributes:
        macs: Multiplications whose result is added to a sum.
        flops: All operations. A multiplication and an addition are two.
    """

    macs: int = 0
    flops: int = 0

    def __add__(self, other):
        return OperationCount(self.macs + other.macs, self.flops + other.flops)

    def __mul__(self, times):
        return OperationCount(self.macs * times, self.flops * times)

    @classmethod
    def of_macs(cls, macs, other_flops=0):
        """Counts sums of products, and other operations with them."""
        return cls(macs, 2 * macs + other_flops)
