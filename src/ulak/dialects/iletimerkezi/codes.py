"""The numbers iletiMerkezi answers with, their Turkish texts, and what each of our words becomes.

A code of 200 and above is `response.status.code` and the HTTP status at once; 110 to 115 are states of a
message or an order and stand only inside a payload. Clients compare codes, never texts.

Sources: the error code table of the apidocs (2024-11) and the pages get-report, get-reports and cancel-order
(2026-04-29 and 2026-04-30). 429 and 500 are ours: the vendor documents nothing for too much, or for a crash.
"""

from __future__ import annotations

from enum import IntEnum

from ulak.core.errors import Refusal
from ulak.core.states import MessageState, OrderState


class Code(IntEnum):
    """Every code of the vendor's table, and two of ours."""

    MESSAGE_WAITING = 110
    MESSAGE_DELIVERED = 111
    MESSAGE_UNDELIVERED = 112
    ORDER_UNDERWAY = 113
    ORDER_DONE = 114
    ORDER_FAILED = 115
    OK = 200
    UNREADABLE = 400
    UNAUTHENTICATED = 401
    NO_CREDIT = 402
    NO_SUBSCRIPTION = 403
    NO_SUCH_METHOD = 404
    BAD_VALUES = 422
    TOO_MANY = 429
    BAD_SENDER = 450
    REPEATED = 451
    BAD_RECIPIENTS = 452
    TOO_LARGE = 453
    TEXT_EMPTY = 454
    NO_SUCH_ORDER = 455
    NOT_DUE = 456
    BAD_SEND_TIME = 457
    BAD_RANGE = 458
    SENDER_EMPTY = 459
    SENDER_TOO_LONG = 460
    GROUP_NAME_EMPTY = 461
    GROUP_ID_EMPTY = 462
    NO_SUCH_GROUP = 463
    BAD_PAGE = 464
    NO_SUCH_CONTACT = 465
    BAD_NUMBER = 466
    DOCUMENT_MISSING = 467
    IYS_MISSING = 468
    IYS_LIST_MISSING = 469
    IYS_BRAND_MISSING = 470
    SEARCH_TOO_SHORT = 471
    CONTACT_EMPTY = 472
    NO_SUCH_FIELD = 473
    BLOCK_PERMANENT = 474
    CRASHED = 500
    UNAVAILABLE = 503


TEXTS: dict[Code, str] = {
    Code.MESSAGE_WAITING: "Mesaj gönderiliyor",
    Code.MESSAGE_DELIVERED: "Mesaj gönderildi",
    Code.MESSAGE_UNDELIVERED: "Mesaj gönderilemedi",
    Code.ORDER_UNDERWAY: "Siparişin gönderimi devam ediyor",
    Code.ORDER_DONE: "Siparişin gönderimi tamamlandı",
    Code.ORDER_FAILED: "Sipariş gönderilemedi",
    Code.OK: "İşlem başarılı",
    Code.UNREADABLE: "İstek çözümlenemedi",
    Code.UNAUTHENTICATED: "Üyelik bilgileri hatalı",
    Code.NO_CREDIT: "Bakiye yetersiz",
    Code.NO_SUBSCRIPTION: "Aktif abonelik bulunamadı",
    Code.NO_SUCH_METHOD: "API istek yapılan yönteme sahip değil",
    Code.BAD_VALUES: "İstek içerisindeki değerler doğrulanamadı.",
    Code.TOO_MANY: "Çok fazla istek gönderildi, daha sonra tekrar deneyin",
    Code.BAD_SENDER: "Gönderilen başlık kullanıma uygun değil",
    Code.REPEATED: "Tekrar eden sipariş",
    Code.BAD_RECIPIENTS: "Mesaj alıcıları hatalı",
    Code.TOO_LARGE: "Sipariş boyutu aşıldı",
    Code.TEXT_EMPTY: "Mesaj metni boş",
    Code.NO_SUCH_ORDER: "Sipariş bulunamadı",
    Code.NOT_DUE: "Sipariş gönderim tarihi henüz gelmedi",
    Code.BAD_SEND_TIME: "Mesaj gönderim tarihinin formatı hatalı",
    Code.BAD_RANGE: "Tarih aralığı hatalı",
    Code.SENDER_EMPTY: "Başlık kısmı boş olamaz",
    Code.SENDER_TOO_LONG: "Başlık 11 karakterden fazla olmamalı ve Türkçe karakter içermemelidir.",
    Code.GROUP_NAME_EMPTY: "Grup adını boş bırakamazsınız.",
    Code.GROUP_ID_EMPTY: "Grup id alanını boş bırakamazsınız.",
    Code.NO_SUCH_GROUP: "Böyle bir grup bulunamadı.",
    Code.BAD_PAGE: "Page değeri 1 den başlamalı.",
    Code.NO_SUCH_CONTACT: "Kişi bulunamadı.",
    Code.BAD_NUMBER: "Hatalı numara.",
    Code.DOCUMENT_MISSING: "Evrak bilgisi eksik.",
    Code.IYS_MISSING: "IYS üzerinden sorgulama yapılıp, yapılmayacağını ayarlamalısınız.",
    Code.IYS_LIST_MISSING: "IYS listenizi seçmelisiniz, BIREYSEL veya TACIR.",
    Code.IYS_BRAND_MISSING: "IYS kodunuzu ayarlamalısınız.",
    Code.SEARCH_TOO_SHORT: "Arama terimi en az 3 karakter olmalıdır",
    Code.CONTACT_EMPTY: "Ad, soyad, cep telefonu, email alanlarından en az biri dolu olmalıdır.",
    Code.NO_SUCH_FIELD: "Özel alan bulunamadı.",
    Code.BLOCK_PERMANENT: "Bu numara üzerindeki engelleme kaldırılamaz",
    Code.CRASHED: "Beklenmeyen bir sunucu hatası oluştu",
    Code.UNAVAILABLE: "Sunucu geçici olarak servis dışı",
}

REFUSALS: dict[Refusal, Code] = {
    Refusal.UNAUTHENTICATED: Code.UNAUTHENTICATED,
    Refusal.SENDER_NOT_APPROVED: Code.BAD_SENDER,
    Refusal.BAD_SCHEDULE: Code.BAD_SEND_TIME,
    Refusal.CONSENT_CHOICE_MISSING: Code.IYS_MISSING,
    Refusal.CONSENT_LIST_MISSING: Code.IYS_LIST_MISSING,
    Refusal.CONSENT_BRAND_MISSING: Code.IYS_BRAND_MISSING,
    Refusal.TEXT_EMPTY: Code.TEXT_EMPTY,
    Refusal.TOO_LARGE: Code.TOO_LARGE,
    Refusal.NO_RECIPIENT: Code.BAD_RECIPIENTS,
    Refusal.REPEATED: Code.REPEATED,
    Refusal.TOO_FAST: Code.TOO_MANY,
    Refusal.NO_CREDIT: Code.NO_CREDIT,
    Refusal.NOT_FOUND: Code.NO_SUCH_ORDER,
    Refusal.NOT_DUE: Code.NOT_DUE,
}

ORDER_CODES: dict[OrderState, int] = {
    OrderState.SCHEDULED: 113,
    OrderState.READY: 113,
    OrderState.SENDING: 113,
    OrderState.DONE: 114,
    OrderState.FAILED: 115,
    OrderState.CANCELLED: 115,
}

MESSAGE_CODES: dict[MessageState, int] = {
    MessageState.QUEUED: 110,
    MessageState.SENT: 110,
    MessageState.UNSURE: 110,
    MessageState.DELIVERED: 111,
    MessageState.UNDELIVERED: 112,
}
