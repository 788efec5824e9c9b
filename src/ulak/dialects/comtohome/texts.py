"""What is said, in Turkish and English.

Documented are `Konsinye bulunamadı`, `Consignment not found`, `<id> id consignment document not found`,
`Consignment cancel failed: <reason>` and `Shipment already in transit`; the rest is ours. What the documents
say in English when something was done is said in English only (`DONE_…`).
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache

LANGUAGES = ("tr", "en")
_HEADER_MAX = 200


class Text(Enum):
    """A sentence in both languages, with places for values."""

    NOT_FOUND = ("Konsinye bulunamadı", "Consignment not found")
    DRAFT_NOT_FOUND = ("Taslak konsinye bulunamadı", "Draft consignment not found")
    DOCUMENT_NOT_FOUND = (
        "{id} numaralı konsinye belgesi bulunamadı",
        "{id} id consignment document not found",
    )
    NOTHING_TO_DECLARE = (
        "Konsinyede beyan edilecek ürün yok",
        "The consignment has no goods to declare",
    )
    LABEL_NOT_FOUND = ("Etiket bulunamadı", "Label not found")
    LABEL_GONE = ("Etiket artık geçerli değil", "The label is no longer valid")
    NO_SUCH_PATH = ("Adres bulunamadı", "No such path")
    NO_SUCH_METHOD = (
        "Bu adres {method} isteğini kabul etmiyor",
        "This path does not take {method} requests",
    )
    UNAUTHENTICATED = ("Unauthenticated.", "Unauthenticated.")
    TOO_MANY = ("Too Many Attempts.", "Too Many Attempts.")
    NOT_ALLOWED = ("Bu işlem için yetkiniz yok", "You do not have the right to do this")
    UNREADABLE = ("İstek gövdesi okunamadı", "The request's body cannot be read")
    TOO_LARGE = ("İstek çok büyük", "The request is too large")
    UNAVAILABLE = (
        "Hizmet şu anda kullanılamıyor, lütfen tekrar deneyin",
        "The service is not available now, please try again",
    )
    CRASHED = ("Beklenmeyen bir hata oluştu", "Something went wrong")
    NO_CREDIT = ("Yetersiz bakiye", "Insufficient balance")
    NO_CARRIER = (
        "gönderiyi taşıyabilecek bir kargo firması yok",
        "there is no carrier that takes this consignment",
    )
    CARRIER_UNREACHED = ("Kargo firmasına ulaşılamadı", "The carrier could not be reached")
    CARRIER_DECLINED = ("Kargo firması gönderiyi reddetti", "The carrier refused the consignment")
    NOT_A_DRAFT = ("Konsinye taslak değil", "The consignment is not a draft")
    NOT_REJECTED = (
        "Konsinye kargo firmasına zaten gönderilmiş ya da artık gönderilemez",
        "The consignment was sent to the carrier already, or cannot be sent any more",
    )
    NOT_WITH_CARRIER = ("Konsinye kargo firmasında değil", "The consignment is not with a carrier")
    KEY_IN_USE = (
        "Bu X-Idempotency-Key ile gönderilen istek hâlâ işleniyor",
        "A request with this X-Idempotency-Key is still being processed",
    )
    KEY_REUSED = (
        "Bu X-Idempotency-Key başka bir istek için kullanılmış",
        "This X-Idempotency-Key was used for another request",
    )
    BAD_KEY = (
        "X-Idempotency-Key: 1 ile 255 arası görünür ASCII karakter olmalı",
        "X-Idempotency-Key: must be 1 to 255 visible ASCII characters",
    )

    CANCEL_FAILED = ("Konsinye iptal edilemedi: {reason}", "Consignment cancel failed: {reason}")
    ALREADY_CANCELLED = ("Gönderi zaten iptal edilmiş", "Shipment already cancelled")
    ALREADY_DELIVERED = ("Gönderi zaten teslim edilmiş", "Shipment already delivered")
    IN_TRANSIT = ("Gönderi zaten yolda", "Shipment already in transit")
    BEING_BOOKED = ("Gönderi şu anda işleniyor", "Shipment is being processed")

    # Reasons, after the path of a field.
    MISSING = ("zorunlu alan", "is required")
    NOT_TEXT = ("metin olmalı", "must be a text")
    TOO_LONG = ("en fazla {max} karakter olabilir", "must be at most {max} characters")
    NOT_INTEGER = ("tam sayı olmalı", "must be a whole number")
    NOT_NUMBER = ("sayı olmalı", "must be a number")
    NOT_BOOLEAN = ("true ya da false olmalı", "must be true or false")
    NOT_OBJECT = ("nesne olmalı", "must be an object")
    NOT_LIST = ("liste olmalı", "must be a list")
    TOO_SMALL = ("en az {min} olmalı", "must be at least {min}")
    NOT_POSITIVE = ("sıfırdan büyük olmalı", "must be greater than 0")
    TOO_BIG = ("en fazla {max} olabilir", "must be at most {max}")
    NOT_ONE_OF = ("şunlardan biri olmalı: {choices}", "must be one of {choices}")
    NO_COUNTRY = ("geçerli bir ülke kodu değil", "is not an ISO 3166-1 country code")
    NO_CURRENCY = ("geçerli bir para birimi değil", "is not an ISO 4217 currency code")
    NO_PHONE = ("geçerli bir telefon numarası değil", "is not a phone number")
    NO_TARIFF_CODE = ("6 ile 12 arası rakamdan oluşmalı", "must be 6 to 12 digits")
    NO_TIME = ("ISO-8601 biçiminde bir zaman olmalı", "must be an ISO-8601 time")
    TOO_FEW = ("en az {min} öğe içermeli", "must have {min} or more entries")
    TOO_MANY_ENTRIES = ("en fazla {max} öğe içerebilir", "must have at most {max} entries")
    EXACTLY_ONE = (
        "tam olarak 1 koli içermeli; birden fazlası için multi-package kullanın",
        "must have exactly 1 package; use multi-package for more",
    )
    MIXED_TYPES = ("bütün koliler aynı türde olmalı", "must be equal for all packages")
    PARTIAL_BARCODES = (
        "ya bütün kolilerde olmalı ya da hiçbirinde",
        "must be given for all packages or for none",
    )
    DUPLICATE_BARCODE = ("her koli için farklı olmalı", "must differ between packages")
    TOTAL_TOO_BIG = (
        "toplam ağırlık ya da hacim çok büyük",
        "weigh or measure too much altogether",
    )
    NOT_FROM_TURKEY = ("gönderici Türkiye'de olmalı", "must be TR: the sender has to be in Turkey")
    NO_ADDRESS_TABLE = (
        "2 desteklenmiyor: adresler yer listesiyle karşılaştırılamıyor",
        "2 is not supported: there is no list of places to compare with",
    )
    NOT_A_PAGE = ("1 ya da daha büyük bir tam sayı olmalı", "must be a whole number from 1 on")
    UNKNOWN_ID = ("böyle bir kayıt yok", "does not exist")
    NOT_MULTIPART = ("multipart/form-data bekleniyor", "must be multipart/form-data")
    FILE_TOO_LARGE = ("en fazla 4 MB olabilir", "must be at most 4 MB")
    WRONG_FILE = ("PDF, JPEG ya da PNG olmalı", "must be a PDF, JPEG or PNG file")


DONE_CREATED = "Consignment created successfully"
DONE_CANCELLED = "Cancelled by customer"
DONE_DRAFT = "Draft consignment created"
DONE_DRAFT_UPDATED = "Draft consignment updated"
DONE_DRAFT_DELETED = "Draft consignment deleted"
DONE_STARTED = "Draft Consignment process start successfully"
DONE_RESENT = "Consignment sent to provider"
DONE_UPLOADED = "Document uploaded successfully"
DONE_EVENTS = "successful"


def say(text: Text, language: str, **values: object) -> str:
    """A sentence in a language."""
    sentence: str = text.value[LANGUAGES.index(language)]
    return sentence.format(**values) if values else sentence


@lru_cache(maxsize=256)
def language_of(accept: bytes) -> str:
    """The language that an Accept-Language header wants most of those there are; Turkish unless asked."""
    wanted = []
    for place, entry in enumerate(accept[:_HEADER_MAX].decode("latin-1").lower().split(",")):
        tag, _, rest = entry.partition(";")
        language = tag.strip().partition("-")[0]
        quality = _quality(rest)
        if language in LANGUAGES and quality > 0:
            wanted.append((-quality, place, language))
    return min(wanted)[2] if wanted else LANGUAGES[0]


def _quality(parameter: str) -> float:
    """The weight in `q=0.8`; 1 if there is none, 0 if it cannot be read."""
    name, _, value = parameter.partition("=")
    if not name.strip():
        return 1.0
    value = value.strip()
    if name.strip() != "q" or not value.isascii() or not value.replace(".", "", 1).isdigit():
        return 0.0
    return min(float(value), 1.0)
