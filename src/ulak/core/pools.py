"""Where rented numbers come from, and what for: the codes that the whole trade uses.

Countries are numbered, and services abbreviated, by sms-activate; its resellers and their clients took that
over. `POOLS` is the list that sms4sats documents, with its spellings; services are those that two public
clients of sms-activate name.
"""

from __future__ import annotations

from typing import NamedTuple

ANY = 999
"""The pool that means: wherever there is one."""

FULL = "full"
"""The service of a rental that is for all services."""

OTHER = "ot"
"""The service that stands for whatever is not listed."""


class Pool(NamedTuple):
    """A country, or a part of its numbers: ISO 3166-1 alpha-2, and its names, the usual one first."""

    iso: str
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        """The usual name."""
        return self.names[0]


_POOLS: dict[int, tuple[str, ...]] = {
    0: ("RU", "Russia", "Russian"),
    1: ("UA", "Ukraine"),
    2: ("KZ", "Kazakhstan"),
    3: ("CN", "China"),
    4: ("PH", "Philippines"),
    5: ("MM", "Myanmar"),
    6: ("ID", "Indonesia"),
    7: ("MY", "Malaysia"),
    8: ("KE", "Kenya"),
    9: ("TZ", "Tanzania"),
    10: ("VN", "Vietnam"),
    11: ("KG", "Kyrgyzstan"),
    12: ("US", "USA (virtual)"),
    13: ("IL", "Israel"),
    14: ("HK", "HongKong"),
    15: ("PL", "Poland"),
    16: ("GB", "England", "United Kingdom"),
    18: ("CD", "DCongo"),
    19: ("NG", "Nigeria"),
    20: ("MO", "Macao"),
    21: ("EG", "Egypt"),
    22: ("IN", "India"),
    23: ("IE", "Ireland"),
    24: ("KH", "Cambodia"),
    25: ("LA", "Laos"),
    26: ("HT", "Haiti"),
    27: ("CI", "Ivory"),
    28: ("GM", "Gambia"),
    29: ("RS", "Serbia"),
    30: ("YE", "Yemen"),
    31: ("ZA", "Southafrica"),
    32: ("RO", "Romania"),
    33: ("CO", "Colombia"),
    34: ("EE", "Estonia"),
    36: ("CA", "Canada"),
    37: ("MA", "Morocco"),
    38: ("GH", "Ghana"),
    39: ("AR", "Argentina"),
    40: ("UZ", "Uzbekistan"),
    41: ("CM", "Cameroon"),
    42: ("TD", "Chad"),
    43: ("DE", "Germany"),
    44: ("LT", "Lithuania"),
    45: ("HR", "Croatia"),
    46: ("SE", "Sweden"),
    47: ("IQ", "Iraq"),
    48: ("NL", "Netherlands"),
    49: ("LV", "Latvia"),
    50: ("AT", "Austria"),
    51: ("BY", "Belarus"),
    52: ("TH", "Thailand"),
    53: ("SA", "Saudiarabia"),
    54: ("MX", "Mexico"),
    55: ("TW", "Taiwan"),
    56: ("ES", "Spain"),
    58: ("DZ", "Algeria"),
    59: ("SI", "Slovenia"),
    60: ("BD", "Bangladesh"),
    61: ("SN", "Senegal"),
    62: ("TR", "Turkey"),
    63: ("CZ", "Czech"),
    64: ("LK", "Srilanka"),
    65: ("PE", "Peru"),
    66: ("PK", "Pakistan"),
    67: ("NZ", "Newzealand"),
    68: ("GN", "Guinea"),
    69: ("ML", "Mali"),
    70: ("VE", "Venezuela"),
    71: ("ET", "Ethiopia"),
    72: ("MN", "Mongolia"),
    73: ("BR", "Brazil"),
    74: ("AF", "Afghanistan"),
    75: ("UG", "Uganda"),
    76: ("AO", "Angola"),
    77: ("CY", "Cyprus"),
    78: ("FR", "France"),
    79: ("PG", "Papua"),
    80: ("MZ", "Mozambique"),
    81: ("NP", "Nepal"),
    82: ("BE", "Belgium"),
    83: ("BG", "Bulgaria"),
    84: ("HU", "Hungary"),
    85: ("MD", "Moldova"),
    86: ("IT", "Italy"),
    87: ("PY", "Paraguay"),
    88: ("HN", "Honduras"),
    89: ("TN", "Tunisia"),
    90: ("NI", "Nicaragua"),
    91: ("TL", "Timorleste"),
    92: ("BO", "Bolivia"),
    93: ("CR", "Costarica"),
    94: ("GT", "Guatemala"),
    95: ("AE", "Uae"),
    96: ("ZW", "Zimbabwe"),
    97: ("PR", "Puertorico"),
    99: ("TG", "Togo"),
    100: ("KW", "Kuwait"),
    101: ("SV", "Salvador"),
    102: ("LY", "Libyan"),
    103: ("JM", "Jamaica"),
    104: ("TT", "Trinidad"),
    105: ("EC", "Ecuador"),
    106: ("SZ", "Swaziland"),
    107: ("OM", "Oman"),
    108: ("BA", "Bosnia"),
    109: ("DO", "Dominican"),
    111: ("QA", "Qatar"),
    112: ("PA", "Panama"),
    114: ("MR", "Mauritania"),
    115: ("SL", "Sierraleone"),
    116: ("JO", "Jordan"),
    117: ("PT", "Portugal"),
    118: ("BB", "Barbados"),
    119: ("BI", "Burundi"),
    120: ("BJ", "Benin"),
    121: ("BN", "Brunei"),
    122: ("BS", "Bahamas"),
    123: ("BW", "Botswana"),
    124: ("BZ", "Belize"),
    125: ("CF", "Caf"),
    126: ("DM", "Dominica"),
    127: ("GD", "Grenada"),
    128: ("GE", "Georgia"),
    129: ("GR", "Greece"),
    130: ("GW", "Guineabissau"),
    131: ("GY", "Guyana"),
    132: ("IS", "Iceland"),
    133: ("KM", "Comoros"),
    134: ("KN", "Saintkitts"),
    135: ("LR", "Liberia"),
    136: ("LS", "Lesotho"),
    137: ("MW", "Malawi"),
    138: ("NA", "Namibia"),
    139: ("NE", "Niger"),
    140: ("RW", "Rwanda"),
    141: ("SK", "Slovakia"),
    142: ("SR", "Suriname"),
    143: ("TJ", "Tajikistan"),
    144: ("MC", "Monaco"),
    145: ("BH", "Bahrain"),
    146: ("RE", "Reunion"),
    147: ("ZM", "Zambia"),
    148: ("AM", "Armenia"),
    149: ("SO", "Somalia"),
    150: ("CG", "Congo"),
    151: ("CL", "Chile"),
    152: ("BF", "Furkinafaso"),
    153: ("LB", "Lebanon"),
    154: ("GA", "Gabon"),
    155: ("AL", "Albania"),
    156: ("UY", "Uruguay"),
    157: ("MU", "Mauritius"),
    158: ("BT", "Bhutan"),
    159: ("MV", "Maldives"),
    160: ("GP", "Guadeloupe"),
    161: ("TM", "Turkmenistan"),
    162: ("GF", "Frenchguiana"),
    163: ("FI", "Finland"),
    164: ("LC", "Saintlucia"),
    165: ("LU", "Luxembourg"),
    166: ("VC", "Saintvincentgrenadines"),
    167: ("GQ", "Equatorialguinea"),
    168: ("DJ", "Djibouti"),
    169: ("AG", "Antiguabarbuda"),
    170: ("KY", "Caymanislands"),
    171: ("ME", "Montenegro"),
    173: ("CH", "Switzerland"),
    174: ("NO", "Norway"),
    175: ("AU", "Australia"),
    176: ("ER", "Eritrea"),
    177: ("SS", "Southsudan"),
    178: ("ST", "Saotomeandprincipe"),
    179: ("AW", "Aruba"),
    180: ("MS", "Montserrat"),
    181: ("AI", "Anguilla"),
    183: ("MK", "Northmacedonia"),
    184: ("SC", "Seychelles"),
    185: ("NC", "Newcaledonia"),
    186: ("CV", "Capeverde"),
    187: ("US", "USA", "United States", "United States of America"),
    189: ("FJ", "Fiji"),
    190: ("KR", "Southkorea"),
    195: ("BM", "Bermuda"),
    196: ("SG", "Singapore"),
}

POOLS: dict[int, Pool] = {number: Pool(row[0], row[1:]) for number, row in _POOLS.items()}
"""Every pool but `ANY`, by its number."""

SERVICES: dict[str, str] = {
    "vk": "VK",
    "ok": "Odnoklassniki",
    "wa": "WhatsApp",
    "vi": "Viber",
    "tg": "Telegram",
    "wb": "WeChat",
    "go": "Google",
    "av": "Avito",
    "fb": "Facebook",
    "tw": "Twitter",
    "ub": "Uber",
    "qw": "Qiwi",
    "gt": "Gett",
    "sn": "OLX",
    "ig": "Instagram",
    "ym": "Youla",
    "ma": "Mail.ru",
    "mm": "Microsoft",
    "uk": "Airbnb",
    "me": "LINE",
    "mb": "Yahoo",
    "ya": "Yandex",
    "mt": "Steam",
    "oi": "Tinder",
    "fd": "Mamba",
    "kt": "KakaoTalk",
    "pm": "AOL",
    "tn": "LinkedIn",
    "qq": "Tencent QQ",
    "pf": "POF",
    "nv": "Naver",
    "nf": "Netflix",
    "im": "Imo",
    "ds": "Discord",
    "lf": "TikTok",
    "am": "Amazon",
    "dp": "ProtonMail",
    "fu": "Snapchat",
    "bf": "Keybase",
    "ab": "Alibaba",
    "hw": "Alipay",
    "ka": "Shopee",
    "xv": "Wish",
    "re": "Coinbase",
    "dh": "eBay",
    "yw": "Grindr",
    "tx": "Bolt",
    "dr": "openAI",
    "ot": "other",
}
"""Service codes and their names."""

_USA = 187  # 12 is the same country's virtual numbers, which nobody means by its name alone
_BY_NAME = {name.casefold(): number for number, pool in POOLS.items() for name in pool.names}
_BY_NAME |= {pool.iso.casefold(): number for number, pool in POOLS.items()}
_BY_NAME |= {"us": _USA, "usa": _USA, "auto-select": ANY}
_BY_SERVICE = {name.casefold(): code for code, name in SERVICES.items()} | {code: code for code in SERVICES}
_BY_SERVICE |= {"gmail": "go", "youtube": "go", FULL: FULL}


def pool_named(text: str) -> int | None:
    """The pool with this number, name or ISO code, whatever its case; None if there is none."""
    wanted = text.strip().casefold()
    if wanted.isascii() and wanted.isdigit() and len(wanted) <= 3:
        number = int(wanted)
        return number if number in POOLS or number == ANY else None
    return _BY_NAME.get(wanted)


def service_named(text: str) -> str | None:
    """The code of the service with this code or name, whatever its case; None if there is none."""
    return _BY_SERVICE.get(text.strip().casefold())
