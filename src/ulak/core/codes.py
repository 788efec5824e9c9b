"""The code in an SMS: the digits that a service sends to see whether a number is somebody's.

Services word their texts as they like and change them, so nothing here knows whole sentences. What cannot
be a code is covered first (addresses, telephone numbers, amounts, times, dates); of what is left, the number
that stands next to a word for "code" in any of many languages is it. A number without such a word is a code
only if it is the only one, and begins or ends the text. An operator who knows better gives a pattern for a
service; it is tried first.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

TEXT_MAX = 2_000
"""Characters of a text that are looked at."""

PATTERN_MAX = 200
"""Characters of an operator's pattern."""

PATTERN_SEES = 700
"""Characters of a text that an operator's pattern sees."""

TRIES_MAX = 30_000
"""How many ways an operator's pattern may have to match at one place: what is more can take minutes."""

MIXED = {"mt": 5}
"""Services whose codes have letters, and how long those are (Steam)."""

NEAR = 48
"""How far from a word for "code" a number can stand to be one, in characters."""

# A letter I of any kind matches an i of any kind in Python's IGNORECASE, so Turkish needs nothing special.
_WORDS = "|".join(
    (
        r"\w*code\w{0,2}\b|\bcod(?:ul|ice)?\b|\bc[oó]digo\w*|\bpin\b|\botps?\b|\bpass(?:word|code|wort)\w*",
        r"\bverif\w*|\w*kod(?:[uıi]\w*|a|e|en|em|as|ą)?\b|\bkoodi\w*|\bkód\w*|\bonay\w*|\bdo[gğ]rula\w*|\b[sş]ifre\w*",
        r"\bparola\w*|\bкод\w{0,3}\b|\bпарол\w*|\bкодов\w*|\bclave\b|\bcontrase[nñ]a\b|\bsenha\b|\btan\b|\bkennwort\b",
        r"\bhas[lł]o\b|\bheslo\b|\bsandi\b|\bm[aã]\b|\bmot de passe\b|\bκωδικ\w*|\bkods\b|\bקוד\b|კოდი|կոդ",
        r"(?:ال)?رمز|كود|کد|कोड|ओटीपी|รหัส|验证码|驗證碼|校验码|动态码|密码|確認碼|コード|認証番号|인증\s?번호|인증\s?코드|코드",
    )
)
# "Area code", "promo code": words for another kind of code.
_OTHER_CODES = (
    r"(?:promo\w*|discount|coupon|voucher|indirim|kampanya|referral|davet|area|zip|postal?|posta|country|qr)"
)
_WORD = re.compile(rf"(?P<other>\b{_OTHER_CODES}[\s-]+)?(?:{_WORDS})", re.IGNORECASE)

_MONEY = (
    r"(?:[$€£₺₽₴₹¥₸₩₦฿]|\b(?:TL|TRY|USD|EUR|GBP|RUB|UAH|INR|PLN|BRL|Rs|R\$|US\$)\b"
    r"|\bруб\w*|\bгрн|\bkr\b|\blei\b|\bzł)"
)
_UNITS = (
    r"(?:%|min\w*|sec\w*|sn|dk|dakika\w*|saniye\w*|saat\w*|hours?|days?|gün\w*|мин\w*|сек\w*|час\w*|segundos|horas"
    r"|MB|GB|km|kg|puan\w*|points?|bonus\w*|баллов|adet|sms|stars?|coins?)\b"
)
_COVERED = re.compile(
    "|".join(
        (
            r"https?://\S{1,500}|\bwww\.\S{1,500}|[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{1,100}",
            r"\b[\w-]{1,63}\.(?:com|net|org|io|me|co|ru|tr|de|link|ly|app|info|gl|to)\b(?:/\S{0,500})?",
            r"\b\d{1,4}[./-]\d{1,2}[./-]\d{1,4}\b(?![./-]\d)",  # dates
            r"\b\d{1,2}[:.]\d{2}(?:[:.]\d{2})?\s?(?:[ap]m\b|(?=\D|$))",  # times
            rf"{_MONEY}\s?\d[\d.,]{{0,15}}(?:\s?\d{{3}}\b)?|\b\d[\d.,]{{0,15}}\s?{_MONEY}",
            r"\b\d{1,3}(?:[.,]\d{3}){1,4}(?:[.,]\d{1,2})?\b|\b\d{1,12}[.,]\d{1,4}\b",
            rf"\b\d{{1,6}}\s?{_UNITS}",
            r"\+\d[\d\s().-]{6,20}\d|\(\d{3,4}\)[\d\s.-]{6,12}\d",  # telephone numbers, and below
            r"(?<![\w-])(?:0|1[-\s])?\d{3,4}[-\s]\d{2,4}(?:[-\s]\d{2,4}){1,3}(?![\w-])|\b444\s\d\s\d{3}\b",
            r"[*•xX]{2,}[\s-]?\d{2,8}\b",  # ends of card numbers
        )
    ),
    re.IGNORECASE,
)
_BOUND = re.compile(r"(?:^|\s)@[\w.-]{3,100}\s+#(\w{4,10})\b")  # "@host #code": codes bound to a web site
_NUMBER = re.compile(
    r"(?<![\w+])(?<![\d][.,:/-])(?:[A-Z]{1,3}-)?"
    r"(?P<code>\d{3}[-\s‐-―]\d{3}|\d{4,8})(?![\w/]|[-.,:]\w)"
    # Where there are no blanks between words, a number may stand between letters.
    r"|(?<=[⺀-鿿가-힯])(?P<glued>\d{4,8})(?!\d)|(?<![\w.,:/+-])(?P<before>\d{4,8})(?=[⺀-鿿가-힯])",
)
_YEAR = re.compile(r"19\d\d|20[0-4]\d")
# What a number is if it is not the code: an order, an address to write to, the end of a card's number.
_NOT_BEFORE = re.compile(
    r"(?:\b(?:(?:text|sms|stop|reply|write|send)\b[^.\n]{0,16} to"
    r"|call|dial|tel|phone|order|sipari[sş]|ref|reference|ending(?: in)?|card|kart|sonu"
    r"|invoice|fatura|заказ\w*|телефон\w*|№|pedido|customer|m[uü][sş]teri|abone|id|no|numaral[ıi]|street|flat)\b|№)\s{0,2}[#:.]{0,2}\s{0,2}$",
    re.IGNORECASE,
)
_NOT_AFTER = re.compile(r"\s{0,2}(?:['’](?:y?[ae]|n?[ae])\b|numaral|nolu\b|ile biten)", re.IGNORECASE)
_SENTENCE = re.compile(r"[.!?。！？;\n](?=\s|$)|\n")
_SEPARATORS = re.compile(r"[\s‐-―-]")

_EDGE = " \t\r\n.!<#>[]()*-"
_SHORT = 24

_AFTER_WORD, _BEFORE_WORD, _BREAK = 0, 4, 24
"""What a place costs, in characters of distance: behind the word, before it, in another sentence."""


class _Candidate(NamedTuple):
    """A number that may be the code, and where it stands."""

    code: str
    start: int
    end: int


def find_code(text: str, service: str, patterns: Mapping[str, str] | None = None) -> str | None:
    """The code in a text that came for a service, without blanks and dashes, or None.

    `patterns` are an operator's own, by service, as `check_pattern` lets them through. Leading zeros stay.
    """
    text = _readable(text[:TEXT_MAX])
    pattern = _compiled((patterns or {}).get(service, ""))
    found = None if pattern is None else pattern.search(text[:PATTERN_SEES])
    if found is not None:
        code = _SEPARATORS.sub("", _group(found))
        if code:
            return code
    bound = _BOUND.search(text)
    if bound is not None and any(sign.isdigit() for sign in bound[1]):
        return bound[1]
    return _mixed(text, MIXED[service]) if service in MIXED and not _digits(text) else _digits(text)


def check_pattern(pattern: str) -> None:
    """Whether a text can be an operator's pattern: a regular expression, looked for whatever its case.

    The code is its group `code`, or else its first group, or else all that it matches. Groups cannot be
    repeated and repeats have to be narrow, so that no text takes long.

    Raises:
        ValueError: it cannot; the text says why.
    """
    if not 0 < len(pattern) <= PATTERN_MAX:
        raise ValueError(f"a pattern has 1 to {PATTERN_MAX} characters")
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"a pattern that cannot be read: {error}") from None
    if compiled.search("") is not None:
        raise ValueError("a pattern must not match an empty text")
    _check_tries(pattern)


_ESCAPED = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_GROUP = re.compile(r"\((?:\?(?::|=|!|<=|<!|P<\w+>))?")
_REPEAT = re.compile(
    r"(?P<what>.)(?P<sign>[*+?]|\{(?P<least>\d*)(?P<comma>,?)(?P<most>\d*)\})[?+]?", re.DOTALL
)


def _check_tries(pattern: str) -> None:
    """Raises ValueError for a pattern with too many ways to match at one place."""
    plain = _GROUP.sub("(", _ESCAPED.sub("a", pattern))
    if "(?" in plain:
        raise ValueError(
            "a pattern has groups of the kinds (…), (?:…), (?P<code>…), and looks ahead and behind"
        )
    tries = 1 + plain.count("|")
    for repeat in _REPEAT.finditer(plain):
        if repeat["what"] == ")" and repeat["sign"] != "?":
            raise ValueError("a pattern cannot repeat a group")
        tries *= _ways(repeat)
    if tries > TRIES_MAX:
        raise ValueError("a pattern with several open repeats can take very long; write them like {0,20}")


def _ways(repeat: re.Match[str]) -> int:
    """How many lengths a repeat can have."""
    if repeat["sign"] == "?":
        return 2
    if repeat["sign"] in "*+" or (repeat["comma"] and not repeat["most"]):
        return PATTERN_SEES
    least = int(repeat["least"] or 0)
    return max(1, int(repeat["most"]) - least + 1) if repeat["comma"] else 1


@lru_cache(256)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    return re.compile(pattern, re.IGNORECASE) if pattern else None


def _group(found: re.Match[str]) -> str:
    if "code" in found.re.groupindex:
        return found["code"] or ""
    return (found[1] if found.re.groups else found[0]) or ""


def _readable(text: str) -> str:
    """The same text with digits of all scripts as 0 to 9 and without marks that have no width."""
    if text.isascii():
        return text
    signs = (sign for sign in text if unicodedata.category(sign) != "Cf")
    return "".join(str(unicodedata.digit(sign)) if sign.isdecimal() else sign for sign in signs)


def _digits(text: str) -> str | None:
    """The code of digits in a text."""
    plain = _COVERED.sub(lambda found: _cover(found[0]), text)
    words = _words(plain)
    best: tuple[int, _Candidate] | None = None
    unmarked: dict[str, _Candidate] = {}
    for candidate in _candidates(plain):
        if _is_something_else(plain, candidate):
            continue
        distance = _distance(plain, words, candidate)
        if distance is not None and (best is None or distance < best[0]):
            best = (distance, candidate)
        elif distance is None and _stands_out(plain, candidate):
            unmarked[candidate.code] = candidate
    if best is not None:
        return best[1].code
    return next(iter(unmarked)) if len(unmarked) == 1 else None


def _cover(found: str) -> str:
    """Nothing to read, of the same length. What looks like 123-456 or 123 456 alone was never meant."""
    return "\x01" * len(found)


def _candidates(text: str) -> list[_Candidate]:
    found = []
    for match in _NUMBER.finditer(text):
        code = match["code"] or match["glued"] or match["before"]
        found.append(_Candidate(_SEPARATORS.sub("", code), match.start(), match.end()))
    return found


def _words(text: str) -> list[tuple[int, int]]:
    """Where the words for "code" stand."""
    return [match.span() for match in _WORD.finditer(text) if not match["other"]]


def _is_something_else(text: str, candidate: _Candidate) -> bool:
    before = text[max(0, candidate.start - 32) : candidate.start]
    return bool(_NOT_BEFORE.search(before) or _NOT_AFTER.match(text, candidate.end))


def _distance(text: str, words: list[tuple[int, int]], candidate: _Candidate) -> int | None:
    """How far the nearest word for "code" is; None: too far to mean this number."""
    distances = []
    for start, end in words:
        if end <= candidate.start:
            between, cost = text[end : candidate.start], _AFTER_WORD
        else:
            between, cost = text[candidate.end : start], _BEFORE_WORD
        if len(between) <= NEAR:
            cost += _BREAK if _SENTENCE.search(between) else 0
            distances.append(len(between) + cost)
    if not distances:
        return None
    # A year can be a code, if it says so itself and nothing else does.
    return min(distances) + (2 * NEAR if _YEAR.fullmatch(candidate.code) else 0)


def _stands_out(text: str, candidate: _Candidate) -> bool:
    """Whether a number that nothing says is a code looks like one all the same."""
    if _YEAR.fullmatch(candidate.code):
        return False
    before, after = text[: candidate.start].strip(_EDGE), text[candidate.end :].strip(_EDGE)
    return not before or not after or len(before) + len(after) <= _SHORT


def _mixed(text: str, length: int) -> str | None:
    """The code of letters and digits in a text that has none of digits alone."""
    best: tuple[int, str] | None = None
    words = _words(text)
    for match in re.finditer(rf"(?<![\w-])[A-Z0-9]{{{length}}}(?![\w-])", text):
        distance = _distance(text, words, _Candidate(match[0], match.start(), match.end()))
        if distance is None or not (
            any(sign.isdigit() for sign in match[0]) or text[: match.start()].endswith(": ")
        ):
            continue
        if best is None or distance < best[0]:
            best = (distance, match[0])
    return best[1] if best is not None else None
