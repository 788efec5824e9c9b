"""Telephone numbers of the whole world: their countries, and what is dialled before them inside each.

The codes and the digits are those of ITU-T E.164 and of the countries' plans; a general library that knows
them all is the oracle of the tests.
"""

from __future__ import annotations

import re

from ulak.core.phone import normalise

# Dial codes of E.164 with one digit, and stretches of those with two; all others have three.
_SINGLE = ("1", "7")
_STRETCHES = (
    (20, 20),
    (27, 27),
    (30, 34),
    (36, 36),
    (39, 41),
    (43, 49),
    (51, 58),
    (60, 66),
    (81, 82),
    (84, 84),
)
_DOUBLE = {
    str(code)
    for first, last in (*_STRETCHES, (86, 86), (90, 95), (98, 98))
    for code in range(first, last + 1)
}

_COUNTRIES = """
1 AG AI AS BB BM BS CA DM DO GD GU JM KN KY LC MP MS PR SX TC TT US VC VG VI; 7 KZ RU; 20 EG; 27 ZA; 30 GR;
31 NL; 32 BE; 33 FR; 34 ES; 36 HU; 39 IT VA; 40 RO; 41 CH; 43 AT; 44 GB GG IM JE; 45 DK; 46 SE; 47 NO SJ; 48
PL; 49 DE; 51 PE; 52 MX; 53 CU; 54 AR; 55 BR; 56 CL; 57 CO; 58 VE; 60 MY; 61 AU CC CX; 62 ID; 63 PH; 64 NZ;
65 SG; 66 TH; 81 JP; 82 KR; 84 VN; 86 CN; 90 TR; 91 IN; 92 PK; 93 AF; 94 LK; 95 MM; 98 IR; 211 SS; 212 EH
MA; 213 DZ; 216 TN; 218 LY; 220 GM; 221 SN; 222 MR; 223 ML; 224 GN; 225 CI; 226 BF; 227 NE; 228 TG; 229 BJ;
230 MU; 231 LR; 232 SL; 233 GH; 234 NG; 235 TD; 236 CF; 237 CM; 238 CV; 239 ST; 240 GQ; 241 GA; 242 CG; 243
CD; 244 AO; 245 GW; 246 IO; 247 AC; 248 SC; 249 SD; 250 RW; 251 ET; 252 SO; 253 DJ; 254 KE; 255 TZ; 256 UG;
257 BI; 258 MZ; 260 ZM; 261 MG; 262 RE YT; 263 ZW; 264 NA; 265 MW; 266 LS; 267 BW; 268 SZ; 269 KM; 290 SH
TA; 291 ER; 297 AW; 298 FO; 299 GL; 350 GI; 351 PT; 352 LU; 353 IE; 354 IS; 355 AL; 356 MT; 357 CY; 358 AX
FI; 359 BG; 370 LT; 371 LV; 372 EE; 373 MD; 374 AM; 375 BY; 376 AD; 377 MC; 378 SM; 380 UA; 381 RS; 382 ME;
383 XK; 385 HR; 386 SI; 387 BA; 389 MK; 420 CZ; 421 SK; 423 LI; 500 FK; 501 BZ; 502 GT; 503 SV; 504 HN; 505
NI; 506 CR; 507 PA; 508 PM; 509 HT; 590 BL GP MF; 591 BO; 592 GY; 593 EC; 594 GF; 595 PY; 596 MQ; 597 SR;
598 UY; 599 BQ CW; 670 TL; 672 NF; 673 BN; 674 NR; 675 PG; 676 TO; 677 SB; 678 VU; 679 FJ; 680 PW; 681 WF;
682 CK; 683 NU; 685 WS; 686 KI; 687 NC; 688 TV; 689 PF; 690 TK; 691 FM; 692 MH; 850 KP; 852 HK; 853 MO; 855
KH; 856 LA; 880 BD; 886 TW; 960 MV; 961 LB; 962 JO; 963 SY; 964 IQ; 965 KW; 966 SA; 967 YE; 968 OM; 970 PS;
971 AE; 972 IL; 973 BH; 974 QA; 975 BT; 976 MN; 977 NP; 992 TJ; 993 TM; 994 AZ; 995 GE; 996 KG; 998 UZ
"""
"""Dial codes, and the ISO 3166 codes of the countries that have them."""

_CODES = {
    country: int(code) for code, *countries in map(str.split, _COUNTRIES.split(";")) for country in countries
}

_ZERO = """
20 27 31 32 33 40 41 43 44 46 49 51 53 54 55 57 58 60 61 62 63 64 66 81 82 84 86 90 91 92 93 94 95 98 211
212 213 218 231 232 233 234 243 249 250 251 252 254 255 256 260 261 262 263 264 265 291 353 355 358 359 370
373 374 377 380 381 382 383 385 386 387 389 421 423 508 590 591 593 594 595 596 598 686 850 855 856 880 886
961 962 963 964 966 967 970 971 972 976 977 994 995 996
"""
"""The countries in which a 0 is dialled before a number; in others it is something else, or nothing."""

_TRUNKS = dict.fromkeys(map(int, _ZERO.split()), "0") | {7: "8", 36: "06", 375: "8", 993: "8"}

_TURKEY, _TURKEY_LENGTH = 90, 12
_SIGNS = re.compile(r"^tel:|[\s().\-/_\u00ad\u200b-\u2015\u202a-\u202e\u2060-\u206f\ufeff]")
_NUMBER = re.compile(r"[1-9][0-9]{6,14}")
_PARTED = re.compile(r"(?:tel:)?(?:\+|00)([1-9][0-9]{0,2})[\s().\-/]")
"""A code that is set apart from what follows."""


def dial_code(digits: str) -> int:
    """The dial code of an E.164 number."""
    if digits.startswith(_SINGLE):
        return int(digits[0])
    return int(digits[:2] if digits[:2] in _DOUBLE else digits[:3])


def code_of(country: str) -> int | None:
    """The dial code of a country, by its ISO 3166 code of two letters."""
    return _CODES.get(country.upper())


def trunk_of(code: int) -> str:
    """What is dialled before a number inside the country with this dial code; '' for nothing."""
    return _TRUNKS.get(code, "")


def anybodys(text: str) -> int:
    """The one number that somebody means, E.164: a Turkish mobile one as it is written there, or that of any
    country with its code behind + or 00.

    Raises:
        ValueError: it is none, or it could be two. The text does not repeat it.
    """
    mobile, bare = normalise(text), _SIGNS.sub("", text)
    if not bare.startswith(("+", "00")):
        if mobile:
            return mobile
        raise ValueError(
            "a number is a Turkish mobile one, like 05301234567, or begins with + and the code of a country,"
            " like +4915112345678"
        )
    digits = bare[1:] if bare.startswith("+") else bare[2:]
    parted = _PARTED.match(text.strip())
    is_said = parted is not None and int(parted[1]) == dial_code(digits)
    if mobile and digits != str(mobile) and not is_said:
        raise ValueError(
            "this can be a Turkish number or another one: write +90 and all of it, or set the other code"
            " apart, like +53 and a blank"
        )
    if _NUMBER.fullmatch(digits) is None:
        raise ValueError("behind + or 00 a number has the code of its country, and 7 to 15 digits in all")
    code = dial_code(digits)
    if "(0)" in text or (trunk_of(code) == "0" and digits.startswith(f"{code}0")):
        raise ValueError("a number with the code of its country is written without the 0 behind it")
    if code == _TURKEY and len(digits) != _TURKEY_LENGTH:
        raise ValueError("a Turkish number has ten digits behind +90")
    return int(digits)
