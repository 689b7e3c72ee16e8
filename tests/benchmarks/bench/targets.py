"""What the kernels promise: `must` against the alternatives, `aim` against the machine's floor.

`must` is how many times faster, `aim` how many times the floor's time; both are medians over the
rounds of one run, one thread. Where there is no alternative to name, they are microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

WIDE_SETS = ("avx512",)  # the others have vectors of 128 or 256 bits


@dataclass(frozen=True)
class HeadTarget:
    """An action head, batch 1, against ONNX Runtime in float32 with io-binding.

    The floor is the time to read the weights once, from wherever so many bytes stay.
    """

    input: int
    width: int
    blocks: int
    output: int
    gated: bool
    must: Mapping[str, float]  # by precision
    aim: Mapping[str, float]

    @property
    def title(self) -> str:
        """As the tables name it."""
        if self.gated:
            kind = f"{self.blocks} gated blocks of {self.width}"
            return f"head {self.input}→{self.width}, {kind}, →{self.output}"
        widths = (self.input, *(self.width,) * (1 + 2 * self.blocks), self.output)
        return f"head {'→'.join(map(str, widths))}"

    @property
    def products(self) -> int:
        """Multiply-adds of one pass, which is also its number of weights."""
        layers = 3 if self.gated else 2
        inner = self.blocks * layers * self.width
        return self.width * (self.input + inner + self.output)


@dataclass(frozen=True)
class CodebookTarget:
    """`n` vectors of width `d` against `k` codes, against the best of numpy, torch and faiss.

    The floor is n k d multiply-adds at the peak rate.
    """

    n: int
    k: int
    d: int
    must: float = 1.8
    aim: float = 1.2

    @property
    def title(self) -> str:
        """As the tables name it."""
        return f"codebook n={self.n}, k={self.k}, d={self.d}"


@dataclass(frozen=True)
class TokensTarget:
    """One latent action from Python: the codes of `n` tokens and their latents."""

    n: int = 4
    k: int = 8
    d: int = 32
    must_us: float = 0.6
    aim_us: float = 0.3
    title: str = "4 tokens, k=8, d=32, with latents"


@dataclass(frozen=True)
class FrameTarget:
    """A camera frame to planes, against cv2.resize + cv2.split, which leaves them uint8.

    The floor is to read the frame and to write the planes, without arithmetic.
    """

    source: tuple[int, int] = (480, 640)
    target: tuple[int, int] = (224, 224)
    must_wide: float = 5.0
    must_narrow: float = 2.5
    aim: float = 1.3
    title: str = "frame 640x480 uint8 → 3x224x224 float"

    def must(self, instruction_set: str) -> float:
        """How many times faster, with these vectors."""
        return self.must_wide if instruction_set in WIDE_SETS else self.must_narrow


PLAIN_AIM = {"f32": 1.1, "bf16": 1.3, "int8": 1.3}

HEADS = (
    HeadTarget(256, 256, 1, 56, False, {"f32": 2.5, "bf16": 4, "int8": 7}, PLAIN_AIM),
    HeadTarget(512, 512, 1, 112, False, {"f32": 1.2, "bf16": 3, "int8": 9}, PLAIN_AIM),
    HeadTarget(352, 256, 2, 112, True, {"f32": 1.5, "bf16": 4, "int8": 10}, {}),
)
CODEBOOKS = tuple(
    CodebookTarget(n, k, d) for d, k, n in product((32, 128), (64, 1024), (4, 64, 4096))
)
TOKENS = TokensTarget()
FRAME = FrameTarget()

# The head in a loop that sleeps at 100 Hz: how many times faster than ONNX Runtime there, and how
# many times its time back to back, when it wakes early and rehearses.
COLD_MUST = {"f32": 3.0, "int8": 8.0}
COLD_AIM = 1.3
