"""Chinese for the messages of `bench.text`: English template -> Chinese template.

Keep the gaps: `{}` in order, `{0}` and `{1}` where Chinese wants another order.
"""

from __future__ import annotations

ZH: dict[str, str] = {}
