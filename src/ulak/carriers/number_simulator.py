"""A source of numbers that are made up: every country has them for every service, and codes come alone.

It keeps nothing. The number follows from the key of the purchase and the country; what came to it by a time
follows from the key, the service and the time since when it is in use. So it survives restarts, answers the
same when asked twice, and a clock that is put forward brings its codes. A customer chooses by the service
what shall happen (`MAGIC`); nothing else is magic, neither digits of a number nor the service openAI.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from ulak.core.carriers import code_delay_of
from ulak.core.numbers import Activation, Got, News, NoneLeft, Text, Unreached, Want
from ulak.core.pools import ANY, FULL, OTHER, POOLS, SERVICES

EVERY = 1000
"""How often to be asked for news, ms."""

LATER = 6000
"""How long after the first message a second one comes, ms."""

WAIT_MAX = 1800
"""The longest wait that can be asked for, seconds: past the 21 minutes after which an order is given up."""

MAGIC: dict[str, str] = {
    "none": "there is never a number",
    "never": "there is a number, and never an SMS",
    "zero": "the code begins with a zero",
    "two": "two messages come, 6 seconds apart, the second with another code",
    "wait<n>": "the code comes after n seconds, 1 to 1800",
}
"""What the services do that are no services."""

_WAIT = re.compile(r"wait([1-9][0-9]{0,3})")
_LEAP = 7919  # a prime, so that no range of numbers is left before all of it was used

_UNNAMED = "Example"

_WORDINGS = (
    "{name} code {code}",
    "Your {name} verification code is {code}",
    "{code} is your {name} code. Do not share it with anyone.",
    "[{name}] Use the code {code} to confirm your phone number. It is valid for 10 minutes.",
)

# Numbers by country, calling code first; each x is any digit, each n one of 1 to 9. Where numbers are set
# aside for films and books, it is those: 555-0100 to 555-0199 in every area of North America, and what Ofcom,
# Arcep, the Bundesnetzagentur and PTS keep. Elsewhere it is a range that mobile phones have.
_FORMS = """
AE 97150xxxxxxx  AF 937xxxxxxxx  AG 126855501xx  AI 126455501xx  AL 355672xxxxxx  AM 37477xxxxxx
AO 24492xxxxxxx  AR 549112xxxxxxx  AT 4366xxxxxxx  AU 6141xxxxxxx  AW 29756xxxxx  BA 38761xxxxxx
BB 124655501xx  BD 88018xxxxxxxx  BE 3245xxxxxxx  BF 2267xxxxxxx  BG 35943xxxxxx  BH 97336xxxxxx
BI 25779xxxxxx  BJ 229019xxxxxxx  BM 144155501xx  BN 6737xxxxxx  BO 5917xxxxxxx  BR 55119xxxxxxxx
BS 124255501xx  BT 97517xxxxxx  BW 26771xxxxxx  BY 375294xxxxxx  BZ 50162xxxxx  CD 24399xxxxxxx
CF 23670xxxxxx  CG 24206xxxxxxx  CH 4178xxxxxxx  CI 22501xxxxxxxx  CL 5696xxxxxxx  CM 23767xxxxxxx
CN 8613xxxxxxxxx  CO 57321xxxxxxx  CR 50683xxxxxx  CV 2389xxxxxx  CY 35796xxxxxx  CZ 420601xxxxxx
DE 4917139200xx  DJ 25377xxxxxx  DM 176755501xx  DO 180955501xx  DZ 21355xxxxxxx  EC 59399xxxxxxx
EE 3725xxxxxxx  EG 2010xxxxxxxx  ER 2917xxxxxx  ES 346xxxxxxxx  ET 2519xxxxxxxx  FI 35841xxxxxxx
FJ 6797xxxxxx  FR 3363998xxxx  GA 24106xxxxxx  GB 447700900xxx  GD 147355501xx  GE 995555xxxxxx
GF 5946942xxxxx  GH 23323xxxxxxx  GM 2203xxxxxx  GN 22460xxxxxxx  GP 590690xxxxxx  GQ 240222xxxxxx
GR 3069xxxxxxxx  GT 5025xxxxxxx  GW 24595xxxxxxx  GY 5926xxxxxx  HK 852512xxxxx  HN 5049xxxxxxx
HR 38592xxxxxxx  HT 5093xxxxxxx  HU 3620xxxxxxx  ID 6281xxxxxxx  IE 35385xxxxxxx  IL 972502xxxxxx
IN 918xxxxxxxxx  IQ 96479xxxxxxxx  IS 354611xxxx  IT 3931xxxxxxxx  JM 187655501xx  JO 96279xxxxxxx
KE 2547xxxxxxxx  KG 99670xxxxxxx  KH 85591xxxxxx  KM 2693xxxxxx  KN 186955501xx  KR 82102xxxxxxx
KW 96550xxxxxx  KY 134555501xx  KZ 7771xxxxxxx  LA 856202xxxxxxx  LB 96171xxxxxx  LC 175855501xx
LK 9471xxxxxxx  LR 23177xxxxxxx  LS 2665xxxxxxx  LT 3706xxxxxxx  LU 352628xxxxxx  LV 37121xxxxxx
LY 21891xxxxxxx  MA 21265xxxxxxx  MC 3776xxxxxxxx  MD 3736xxxxxxx  ME 38260xxxxxx  MK 38972xxxxxx
ML 2236xxxxxxx  MM 95921xxxxx  MN 97688xxxxxx  MO 853661xxxxx  MR 22222xxxxxx  MS 166455501xx
MU 230525xxxxx  MV 9607xxxxxx  MW 26599xxxxxxx  MX 5222xxxxxxxx  MY 6012xxxxxxx  MZ 25882xxxxxxx
NA 26481xxxxxxx  NC 6877xxxxx  NE 2279xxxxxxx  NG 23480xxxxxxxx  NI 5058xxxxxxx  NL 3161xxxxxxx
NO 4740xxxxxx  NP 977984xxxxxxx  NZ 6421xxxxxxx  OM 9689xxxxxxx  PA 5076xxxxxxx  PE 519xxxxxxxx
PG 6757xxxxxxx  PH 63905xxxxxxx  PK 9230xxxxxxxx  PL 485xxxxxxxx  PR 178755501xx  PT 35191xxxxxxx
PY 595961xxxxxx  QA 9743xxxxxxx  RE 262692xxxxxx  RO 40712xxxxxx  RS 3816xxxxxxxx  RU 79xxxxxxxxx
RW 25072xxxxxxx  SA 96651xxxxxxx  SC 24825xxxxx  SE 467017406nx  SG 6581xxxxxx  SI 38631xxxxxx
SK 421912xxxxxx  SL 23225xxxxxx  SN 22170xxxxxxx  SO 2527xxxxxxx  SR 59774xxxxx  SS 21197xxxxxxx
ST 23998xxxxx  SV 5037xxxxxxx  SZ 26876xxxxxx  TD 2356xxxxxxx  TG 22890xxxxxx  TH 668xxxxxxxx
TJ 9929xxxxxxxx  TL 67077xxxxxx  TM 9936xxxxxxx  TN 2162xxxxxxx  TR 9050xxxxxxxx  TT 186855501xx
TW 8869xxxxxxxx  TZ 25562xxxxxxx  UA 38050xxxxxxx  UG 25671xxxxxxx  UY 59894xxxxxx  UZ 99891xxxxxxx
VC 178455501xx  VE 58412xxxxxxx  VN 8491xxxxxxx  YE 96771xxxxxxx  ZA 277xxxxxxxx  ZM 26095xxxxxxx
ZW 26371xxxxxxx
"""
_AREAS = {
    "CA": "204 226 236 250 306 403 416 418 506 514 604 613 780 902",
    "US": "201 202 205 206 207 212 213 214 215 303 305 312 415 617 702 718",
}

FORMS: dict[str, tuple[str, ...]] = {
    **{iso: (form,) for iso, form in (row.split() for row in re.split(r"  |\n", _FORMS.strip()))},
    **{iso: tuple(f"1{area}55501xx" for area in areas.split()) for iso, areas in _AREAS.items()},
}
"""What the numbers of a country look like."""


class Fate(NamedTuple):
    """What a service does: `first` and `second` are when messages come, ms after the number was taken."""

    first: int | None
    second: int | None = None
    zero: bool = False


class NumberSimulator:
    """`ulak.core.numbers.NumberSource` behind which there is no phone."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        """Raises ValueError when a setting does not fit."""
        self._delay = code_delay_of(settings)

    def unlisted(self, service: str) -> bool:
        """Whether it is one of the magic services."""
        return _is_magic(service)

    @property
    def every(self) -> int:
        """Every second."""
        return EVERY

    async def pools(self) -> Collection[int] | Unreached:
        """Everywhere."""
        return list(POOLS)

    async def rentals(self, service: str) -> Collection[int] | Unreached:
        """Everywhere, for every service that there is."""
        return list(POOLS) if _is_known(service) else []

    async def stock(self, pool: int) -> Mapping[str, int] | Unreached:
        """As many as last for ever, and not everywhere as many."""
        return _stock(pool) if pool in POOLS or pool == ANY else {}

    async def buy(self, want: Want) -> Got | NoneLeft | Unreached:
        """The number that belongs to the key and the country."""
        if want.service == "none" or not _is_known(want.service):
            return NoneLeft("there are no numbers for this service")
        pool = _pool_for(want.key) if want.pool == ANY else want.pool
        if pool not in POOLS:
            return NoneLeft("there are no numbers in this country")
        return Got(str(want.key), _number(want.key, pool), pool)

    async def news(self, held: Sequence[Activation], now: int) -> Sequence[News]:
        """What came to each by now."""
        return [self._came(activation, now) for activation in held]

    async def finish(self, activation: Activation, used: bool) -> Unreached | None:
        """It forgets nothing, as it knows nothing."""

    async def close(self) -> None:
        """Nothing is open."""

    def _came(self, activation: Activation, now: int) -> list[Text]:
        does = self._does(activation)
        times = [after for after in (does.first, does.second) if after is not None]
        return [
            _text(activation, place, activation.since + after, does.zero)
            for place, after in enumerate(times)
            if activation.since + after <= now
        ]

    def _does(self, activation: Activation) -> Fate:
        service = activation.service
        if service == "never":
            return Fate(None)
        wait = _seconds(service)
        first = wait * 1000 if wait else self._delay
        second = first + LATER if activation.rental or service == "two" else None
        return Fate(first, second, service == "zero")


def _is_magic(service: str) -> bool:
    return service in ("none", "never", "zero", "two") or _seconds(service) is not None


def _is_known(service: str) -> bool:
    return service in SERVICES or service == FULL or _is_magic(service)


def _seconds(service: str) -> int | None:
    """The wait that a service asks for; None if it asks for none."""
    found = _WAIT.fullmatch(service)
    return int(found[1]) if found and int(found[1]) <= WAIT_MAX else None


@cache
def _stock(pool: int) -> Mapping[str, int]:
    if pool == ANY:
        return {service: sum(_stock(one)[service] for one in POOLS) for service in SERVICES}
    return {service: 100 + _draw(f"stock/{pool}/{service}", 9900) for service in SERVICES}


def _pool_for(key: int) -> int:
    pools = list(POOLS)
    return pools[_draw(f"pool/{key}", len(pools))]


def _number(key: int, pool: int) -> int:
    """The number of a purchase. Purchases that follow each other go through all there are, in leaps, so that
    numbers which are in use at once are not the same."""
    forms = FORMS[POOLS[pool].iso]
    place, form = divmod(key * _LEAP, len(forms))
    digits = []
    for sign in reversed(forms[form]):
        if sign == "x":
            place, digit = divmod(place, 10)
            sign = str(digit)
        elif sign == "n":
            place, digit = divmod(place, 9)
            sign = str(1 + digit)
        digits.append(sign)
    return int("".join(reversed(digits)))


def _text(activation: Activation, place: int, at: int, zero: bool) -> Text:
    """The message that came `place`-th, as services word them."""
    seed = f"{activation.key}/{place}"
    name = SERVICES.get(activation.service, _UNNAMED) if activation.service != OTHER else _UNNAMED
    wording = _WORDINGS[_draw(f"wording/{seed}", len(_WORDINGS))]
    text = wording.format(name=name, code=_code(seed, zero))
    return Text(name, text, at, reference=f"{activation.reference}-{place + 1}")


def _code(seed: str, zero: bool) -> str:
    """Five or six digits; they begin with a zero only if they shall."""
    rest = 4 + _draw(f"length/{seed}", 2)
    first = 0 if zero else 1 + _draw(f"first/{seed}", 9)
    return f"{first}{_draw(f'code/{seed}', 10**rest):0{rest}}"


def _draw(seed: str, below: int) -> int:
    """A number from 0 that follows from a text."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8]) % below
