"""Words, names and sentences of a synthetic lake, in Chinese and English, most frequent first."""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

WORDS = 8000
"""Words of each language."""
_COMMON = (
    "今天 天气 我们 大家 记者 现场 报道 中国 发展 城市 比赛 观众 节目 音乐 美食 旅行 汽车 手机",
    "the weather today we and of to a in is report from city match player audience music car",
)
_CHARACTERS = (
    "天地人和山水风云日月星火木金土花草树鸟鱼东西南北中大小高低新旧春夏秋冬红黄蓝绿白黑门窗"
)
_SYLLABLES = [a + b for a in "bcdfghlmnr" for b in "aeo"]
BRANDS = 300
PEOPLE = 5000
TAGS = 2000


@cache
def _vocabulary() -> tuple[pa.Array, pa.Array]:
    """Returns the Chinese words, then the English ones; and the brands of each, in the same way."""
    chinese = [a + b + c for a, b, c in product(_CHARACTERS, _CHARACTERS, ("", *_CHARACTERS))]
    ends = ("n", "r", "st", *_SYLLABLES)
    english = [a + b + c for a, b, c in product(_SYLLABLES, _SYLLABLES, ends)]
    words: list[str] = []
    brands: list[str] = []
    for common, made in zip(_COMMON, (chinese, english), strict=True):
        order = np.random.default_rng(1).permutation(len(made))
        known = list(dict.fromkeys([*common.split(), *(made[n] for n in order)]))
        words += known[:WORDS]
        brands += [name.title() for name in known[WORDS : WORDS + BRANDS]]
    return pa.array(words, pa.string()), pa.array(brands, pa.string())


class Words:
    """Draws text; a word's chance falls with its rank, as in real speech."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._vocabulary, self._brands = _vocabulary()
        self._separators = pa.array(["", " "])

    def ranks(self, size: int, limit: int) -> Ints:
        """Returns numbers below `limit`, the smaller the more often."""
        drawn: Ints = (float(limit) ** self._rng.random(size)).astype(np.int64) - 1
        return np.minimum(drawn, limit - 1)

    def sentences(self, english: Flags, length: int) -> pa.Array:
        """Returns one text of `length` words for each flag: English where it is set."""
        shift = english.astype(np.int64) * WORDS
        words = [
            self._vocabulary.take(pa.array(self.ranks(len(english), WORDS) + shift))
            for _ in range(length)
        ]
        return self.join(*words, self._separators.take(pa.array(english.astype(np.int64))))

    def named(self, prefixes: tuple[str, str], english: Flags, limit: int) -> pa.Array:
        """Returns one of `limit` names for each flag, such as 标签17 or Tag 17."""
        numbers = pa.array(self.ranks(len(english), limit)).cast(pa.string())
        return self.join(pick(prefixes, english), numbers, "")

    def brands(self, english: Flags) -> pa.Array:
        """Returns the name of a brand for each flag."""
        shift = english.astype(np.int64) * BRANDS
        return self._brands.take(pa.array(self.ranks(len(english), BRANDS) + shift))

    @staticmethod
    def join(*parts: pa.Array | str) -> pa.Array:
        """Returns the parts side by side; the last one stands between the others."""
        return pc.binary_join_element_wise(*parts)


def pick(of: tuple[str, ...], places: Ints | Flags) -> pa.Array:
    """Returns the text at each place."""
    return pa.array(of, pa.string()).take(pa.array(places.astype(np.int64)))
