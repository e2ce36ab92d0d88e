"""What each family is made of, one module a family, and what all of them stand on.

A module takes the `Ground` and answers with a `Part`: the objects its API calls, and what it wants
done besides answering. Families are composed without knowing each other; only the application puts
their parts together.
"""

from typing import Final

from farebox.composition import iptv, isp, pbx, vending

FAMILIES: Final = (vending.compose, isp.compose, pbx.compose, iptv.compose)
