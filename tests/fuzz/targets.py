"""The parsers that are fuzzed, by name, and the words their input is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.fuzz import answers, money, radio, served, sockets, words


class Target(NamedTuple):
    """`run` reads an input and raises whatever is wrong; `words` are worth trying; `size` is that of the
    longest input."""

    run: Callable[[bytes], None]
    words: tuple[bytes, ...] = ()
    size: int = 4096

    @property
    def inputs(self) -> list[bytes]:
        """What is tried in every case: nothing, and for JSON what is too deep, too long, or too much."""
        if _DEEPEST not in self.words:
            return [b""]
        return [b"", *(prefix + json for prefix in (b"", b"\0") for json in _TOO_MUCH)]


_DEEPEST = b"[[[[[[[["
_TOO_MUCH = (
    *(
        b"[" * 3000,
        b'{"a":' * 800,
        b'["a",' * 800,
        b"9" * 4000,
        b"-" + b"9" * 4000,
        b"[1e" + b"9" * 100 + b"]",
    ),
    *(b'{"a":1e-999999999999}', b'"' + b"\\u0000" * 100 + b'"', b"[" * 31 + b"]" * 31),
)
_JSON = (
    *(b'"', b":", b",", b"{", b"}", b"[", b"]", b"{}", b"[]", b'""', b"null", b"true", b"false", b"NaN"),
    *(b"0", b"-1", b"1e999", b"1e-400", b"0.5", b"9223372036854775808", b"\\u0000", b"\\ud800", b"\\n"),
    *(b"\xef\xbb\xbf", b"\\u0130", b'{"a":', _DEEPEST),
)
_ORDER = (
    *(b'"request":', b'"authentication":', b'"key":', b'"hash":', b'"username":', b'"password":'),
    *(b'"order":', b'"sender":', b'"sendDateTime":', b'"iys":', b'"iysList":', b'"message":', b'"text":'),
    *(b'"receipents":', b'"number":', b'"id":', b'"page":', b'"rowCount":', b'"filter":', b'"start":'),
    *(b'"end":', b'"blacklist":', b'"consent":', b'"list":', b'"brandCode":', b'"recipient":', b'"type":'),
    *(b'"recipientType":', b'"status":', b'"source":', b'"consentDate":', b'"group":', b'"groups":'),
    *(
        b'"contact":',
        b'"custom_fields":',
        b'"custom_field":',
        b'"value":',
        b'"name":',
        b'"gsm":',
        b'"parent":',
    ),
    *(b'"APITEST"', b'"20/05/2026 09:30"', b'"2026-05-20 09:30:00"', b'"2026-05-20"', b'"MESAJ"', b'"ONAY"'),
)
_XML = (
    *(b"<request>", b"</request>", b"<order>", b"</order>", b"<a>", b"</a>", b"<a/>", b"<![CDATA[", b"]]>"),
    *(
        b"<!--",
        b"-->",
        b"<!DOCTYPE a [",
        b'<!ENTITY a "b">',
        b"&a;",
        b"&amp;",
        b"&#0;",
        b"&#55296;",
        b"<?a?>",
    ),
    *(b'<?xml version="1.0" encoding="', b"?>", b"utf-16", b"iso-8859-9", b"data=", b"%3C", b"\xff\xfe"),
    *(b"<message>", b"<text>", b"<receipents>", b"<number>", b"xmlns:a=", b"<row_count>", b"<id>", b"<key>"),
)
_QUERY = (b"&", b"=", b"%00", b"%", b"+", b"%ff", b"receipents=", b"text=", b"sender=", b"key=", b"orderId=")
_PARCEL = (
    *(
        b'"consignor":',
        b'"consignee":',
        b'"packages":',
        b'"items":',
        b'"quantity":',
        b'"weight":',
        b'"length":',
    ),
    *(
        b'"unit_price":',
        b'"preference":',
        b'"provider_id":',
        b'"documents":',
        b'"special_services":',
        b'"gtip":',
    ),
    *(b'"country":', b'"currency_code":', b'"phone_number":', b'"warehouse_id":', b'"label_type":', b'"TR"'),
)
_FORM = (
    *(
        b"multipart/form-data; boundary=",
        b"\r\n",
        b"--",
        b"\r\n\r\n",
        b"Content-Disposition: form-data; name=",
    ),
    *(
        b'filename="',
        b"filename*=UTF-8''",
        b"document_file",
        b"document_type",
        b"status",
        b"%PDF-",
        b"\xff\xd8\xff",
    ),
    *(b"consignment_id", b"document_issued_at", b"Content-Transfer-Encoding: base64"),
)
_NUMBERS = (
    *(
        b'"country":',
        b'"service":',
        b'"isRental":',
        b'"realphone":',
        b'"ref":',
        b'"immediate":',
        b'"amount":',
    ),
    *(b'"webhookUrl":', b'"message":', b'"phone":', b'"orderId":', b'"a@example.org"'),
)
_SMPP = (
    *(
        b"\x00\x00\x00\x10",
        b"\x00\x00\x00\x15",
        b"\x00\x00\x00\x09",
        b"\x80\x00\x00\x09",
        b"\x00\x00\x00\x04",
    ),
    *(
        b"\x80\x00\x00\x04",
        b"\x00\x00\x00\x05",
        b"\x80\x00\x00\x05",
        b"\x00\x00\x00\x06",
        b"\x80\x00\x00\x00",
    ),
    *(
        b"\x7f\xff\xff\xff",
        b"\xff\xff\xff\xff",
        b"\x00\x01\x00\x01",
        b"\x04\x24\x00\x04",
        b"\x00\x1e\x00\x04",
    ),
    *(b"\x04\x27\x00\x01", b"\x05\x00\x03", b"\x06\x08\x04", b"\x03\x24\x01\x01", b"\x40", b"\x08"),
    *(b"id:", b" sub:001 dlvrd:001 submit date:", b" done date:", b" stat:DELIVRD", b" err:000 text:"),
)
_TELL = (
    *(b'"response":', b'"code":', b'"order":', b'"message":', b'"orders":', b'"balance":', b'"report":'),
    *(b'"data":', b'"details":', b'"labels":', b'"errors":', b'"status_datetime":', b'"tracking_code":'),
    *(b'"total_cost":', b'"currency_rate":', b'"meta":', b'"packet_id":', b'"to":', b'"submitAt":'),
    *(b'"OK"', b'"error"', b'"messages":', b'"visible":', b'"duration":', b'"cc":', b'"count":', b'"price":'),
)
_SUPPLIER = (
    *(
        b"ACCESS_NUMBER:",
        b"ACCESS_BALANCE:",
        b"STATUS_OK:",
        b"NO_NUMBERS",
        b'"activationId":',
        b'"phoneNumber":',
    ),
    *(b'"countries":', b'"values":', b'"smsCode":', b'"smsText":', b'"sms":', b'"date":', b'"phone":'),
)
_TRACKED = (
    *(b'"trackResponse":', b'"shipment":', b'"package":', b'"activity":', b'"gmtDate":', b'"gmtTime":'),
    *(b'"shipments":', b'"events":', b'"timestamp":', b'"output":', b'"completeTrackResults":'),
    *(b'"trackResults":', b'"scanEvents":', b'"tracking_number":', b'"1Z999AA10123456784"', b'"date":'),
    *(b'"total_charge":', b'"extra_charges":', b'"service":', b'"currency":'),
)
_INVOICE = (
    b"lnbc",
    b"lntb",
    b"lnbcrt",
    b"lntbs",
    b"1500n",
    b"2500u",
    b"20m",
    b"p",
    b"1",
    b"------",
    b"lightning:",
)
_NODE = (
    *(b'"result":', b'"error":', b'"message":', b'"code":', b'"state":', b'"htlcs":', b'"expiry_height":'),
    *(b'"payment_request":', b'"block_height":', b'"chains":', b'"status":', b'"ACCEPTED"', b'"IN_FLIGHT"'),
    *(b'"details":', b'"amount":', b'"paid":', b'"detail":', b'"bolt11":', b'"tag":', b'"payRequest"'),
    *(b'"callback":', b'"minSendable":', b'"maxSendable":', b'"settle_deadline":', b'"expires_at":'),
    *(b'"EVENT"', b'"EOSE"', b'"OK"', b'"CLOSED"', b'"AUTH"', b'"NOTICE"', b'"answers"', b'"result_type":'),
)
_SETTINGS = (
    *(
        b"ips=",
        b"iys_brand=",
        b"test_number=",
        b"host=",
        b"port=",
        b"window=",
        b"rate=",
        b"bind=",
        b"prefix=",
    ),
    *(
        b"hook_secret=",
        b"hook_key=whsec_",
        b"id_form=",
        b"on_uncertain=",
        b"https://",
        b"nostr+walletconnect://",
    ),
    *(b"\n", b"[::1]", b"@", b"0x7f.1", b"::ffff:127.0.0.1"),
)
_SHORT = (
    *(
        b"+905301234567",
        b"00905301234567",
        b"20/05/2026 09:30",
        b"2026-05-20 09:30:00",
        b"2026-05-20T09:30:00Z",
    ),
    *(b"90s", b"1h30m", b"RR123456785TR", b"1Z999AA10123456784", b"120.96", b"Wed, 20 May 2026 09:30:00 GMT"),
)
_HTTP = (
    *(
        b"GET ",
        b"POST ",
        b" HTTP/1.1\r\n",
        b" HTTP/1.0\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"0\r\n",
    ),
    *(
        b"content-length: ",
        b"transfer-encoding: chunked\r\n",
        b"connection: close\r\n",
        b"expect: 100-continue\r\n",
    ),
    *(
        b"upgrade: websocket\r\n",
        b"host: a\r\n",
        b"/v1/x",
        b"http://a/v1/",
        b"%00",
        b"..%2f",
        b"retry-after: 5\r\n",
    ),
    *(
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ),
)
_LETTERS = ("€", "ğ", "Ş", "ı", "İ", "{", "\\", "😀", "é", "Ω", "\u200d", "\ufeff", "\x1b", "\0", "ç")

TARGETS: dict[str, Target] = {
    "iletimerkezi-json": Target(served.iletimerkezi_json, _JSON + _ORDER),
    "iletimerkezi-xml": Target(served.iletimerkezi_xml, _XML),
    "iletimerkezi-query": Target(served.iletimerkezi_query, _QUERY),
    "comtohome-json": Target(served.comtohome_json, _JSON + _PARCEL),
    "comtohome-upload": Target(served.comtohome_upload, _FORM),
    "sms4sats-json": Target(served.sms4sats_json, _JSON + _NUMBERS),
    "sms4sats-query": Target(served.sms4sats_query, _QUERY, 1024),
    "hook": Target(answers.hook, (*_JSON, *_TELL, b"comtohome-plain/0123456789abcdef\n")),
    "iletimerkezi-answer": Target(answers.iletimerkezi_answer, _JSON + _TELL),
    "iletimerkezi-past": Target(answers.iletimerkezi_past, _JSON + _TELL),
    "comtohome-answer": Target(answers.comtohome_answer, _JSON + _TELL),
    "sms4sats-answer": Target(answers.sms4sats_answer, _JSON + _TELL),
    "sms-activate-answer": Target(answers.sms_activate_answer, _JSON + _SUPPLIER),
    "karrio-answer": Target(answers.karrio_answer, _JSON + _TRACKED),
    "smpp-session": Target(radio.smpp_session, _SMPP, 2048),
    "smpp-message": Target(radio.smpp_message, _SMPP, 2048),
    "sms-text": Target(radio.sms_text, tuple(letter.encode() for letter in _LETTERS), 1024),
    "sms-code": Target(radio.sms_code, (b"code", b"kod", b"123456", b"12:30", b"https://", b"@a #"), 320),
    "code-pattern": Target(radio.code_pattern, (b"(", b")", b"*", b"+", b"{0,9}", b"|", b"(?P<code>"), 1024),
    "invoice": Target(money.invoice, _INVOICE, 2048),
    "lightning-address": Target(money.lightning_address, _JSON + _NODE),
    "lnd-answer": Target(money.lnd_answer, _JSON + _NODE),
    "lnbits-answer": Target(money.lnbits_answer, _JSON + _NODE),
    "wallet-answer": Target(money.wallet_answer, _JSON + _NODE),
    "relay-message": Target(money.relay_message, (*_JSON, *_NODE, b"@"), 2048),
    "numbers-and-times": Target(words.numbers_and_times, _SHORT, 256),
    "settings": Target(words.settings, _SETTINGS, 1024),
    "http-request": Target(sockets.http_request, _HTTP),
    "http-answer": Target(sockets.http_answer, _HTTP),
}
