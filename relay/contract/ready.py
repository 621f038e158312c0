"""What a program says when it is asked whether it could do its work now."""

from typing import Literal

# Degraded: it could, but not as well as it should.
Ready = bool | Literal["degraded"]
