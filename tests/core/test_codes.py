"""The code in a text, in many languages; and what is none."""

from __future__ import annotations

import pytest

from ulak.core.codes import PATTERN_MAX, check_pattern, find_code

TEXTS: list[tuple[str, str, str | None]] = [
    # English
    ("wa", "Your WhatsApp code: 123-456\nYou can also tap on this link: v.whatsapp.com/123456", "123456"),
    ("wa", "<#> Your WhatsApp code is 804-291. Don't share this code with others\nrJbA/XP1K+V", "804291"),
    ("go", "G-482910 is your Google verification code.", "482910"),
    (
        "tg",
        "Telegram code: 71934\n\nYou can also tap on this link to log in:\nhttps://t.me/login/71934",
        "71934",
    ),
    (
        "tg",
        "Login code: 04417. Do not give this code to anyone, even if they say they are from Telegram!",
        "04417",
    ),
    ("fb", "FB-39402 is your Facebook confirmation code", "39402"),
    ("fb", "48291056 is your Facebook password reset code", "48291056"),
    ("ig", "123 456 is your Instagram code. Don't share it.", "123456"),
    ("ub", "Your Uber code is 0193. Reply STOP ALL to +1 415-237-0403 to unsubscribe.", "0193"),
    ("tw", "Your Twitter confirmation code is 719204.", "719204"),
    ("mm", "Use 8812 as Microsoft account security code", "8812"),
    ("ds", "Your Discord verification code is: 661920", "661920"),
    ("oi", "Your Tinder code is 604822 Don't share @gotinder.com #604822", "604822"),
    ("am", "719201 is your Amazon OTP. Don't share it with anyone.", "719201"),
    ("nf", "Your Netflix verification code is 4417. It expires in 20 minutes.", "4417"),
    ("tn", "Your LinkedIn verification code is 059183.", "059183"),
    ("dr", "Your OpenAI API verification code is: 482913", "482913"),
    (
        "vi",
        "Your Viber code: 558291. Tap to finish: https://unlnk.viber.com/activate/558291?x=1234",
        "558291",
    ),
    ("re", "Your Coinbase verification code is: 7719203. Don't share this code with anyone.", "7719203"),
    ("mb", "Your Yahoo verification code is 57290 and expires at 14:30 on 12/05/2026.", "57290"),
    ("tx", "Your PIN is 2718. Bolt", "2718"),
    (
        "uk",
        "Your Airbnb verification code is: 9024. It costs nothing; call +44 20 3318 1111 for help.",
        "9024",
    ),
    ("ot", "Bank: OTP 602913 for a payment of $1500.00 with card ending in 4821.", "602913"),
    ("ot", "Your order #55120 is confirmed. Use code 8817 at the door.", "8817"),
    ("ot", "Your promo code is waiting! Your verification code is 440192.", "440192"),
    ("ot", "In 2026 your verification code is 3391.", "3391"),
    ("ot", "Your verification code is 2024", "2024"),
    ("ot", "Code 000123", "000123"),
    ("ot", "Enter 918273 to verify your phone. Need help? Visit example.com/help/55512", "918273"),
    ("ot", "Passcode: 77 12 is wrong, the passcode is 771200", "771200"),
    ("ot", "123456 10 minutes left to use this code", "123456"),
    ("ot", "The password for your account is 00918", "00918"),
    ("ot", "Your example.com code is 747723.\n\n@example.com #747723", "747723"),
    ("ot", "Hello.\n\n@login.example.com #x7k29q", "x7k29q"),
    ("lf", "[TikTok] 1958 is your verification code, valid for 5 minutes.", "1958"),
    ("ot", "1234 Uber", "1234"),
    ("tg", "Telegram: 55102", "55102"),
    # Turkish
    ("ot", "Onay kodunuz: 0482. Kimseyle paylaşmayın. B002", "0482"),
    (
        "ot",
        "Sayın müşterimiz, 1.250,00 TL tutarlı işleminiz için doğrulama kodunuz 739201'dir. 0850 222 0 123",
        "739201",
    ),
    ("ot", "BANKA: 4821 ile biten kartınızla 350 TL ödeme. Şifreniz: 559102", "559102"),
    ("ot", "DOĞRULAMA KODU 12345 MERSİS: 0123456789012345 RED yazıp 4609'a gönderin B012", "12345"),
    ("ot", "Giriş için tek kullanımlık şifreniz 918203, 180 saniye geçerlidir.", "918203"),
    ("wa", "WhatsApp kodun: 331-902. Bu kodu kimseyle paylaşma.", "331902"),
    ("ot", "GIRIS KODUNUZ 4471", "4471"),
    ("ot", "5512 Yemek onay kodudur.", "5512"),
    # Russian and others in Cyrillic
    ("vk", "VK: код 481920 — никому не сообщайте его.", "481920"),
    ("ya", "Ваш код подтверждения: 123-456. Наберите его в поле ввода.", "123456"),
    ("av", "58213 — ваш код Авито", "58213"),
    ("ma", "Пароль: 00471. Действителен 10 мин. Оплата 1500 руб", "00471"),
    ("qw", "Код: 8890 Заказ 551920 на сумму 2500 руб", "8890"),
    ("ot", "Ваш пароль для входу 339104", "339104"),
    # Spanish, Portuguese, French, German, Italian, Polish, Romanian, Czech, Hungarian, Dutch, Indonesian
    ("wa", "Tu código de WhatsApp: 662-190. No lo compartas", "662190"),
    ("ot", "Su clave es 4410 y vence en 10 minutos", "4410"),
    ("fb", "93021 es tu código de confirmación de Facebook", "93021"),
    ("ig", "Seu código do Instagram é 502 813.", "502813"),
    ("ot", "Votre code de vérification est 118203. Valable 15 min", "118203"),
    ("ot", "Ihr Bestätigungscode lautet 662910", "662910"),
    ("ot", "Il tuo codice di verifica è 40921", "40921"),
    ("ot", "Twój kod weryfikacyjny to 557102", "557102"),
    ("ot", "Codul tau este 9912", "9912"),
    ("ot", "Váš ověřovací kód je 441902", "441902"),
    ("ot", "Az Ön kódja: 77120", "77120"),
    ("ot", "Je verificatiecode is 228190", "228190"),
    ("ot", "Kode verifikasi Anda adalah 660192. Jangan berikan kode ini", "660192"),
    ("ot", "Mã xác minh của bạn là 882910", "882910"),
    # Chinese, Japanese, Korean, Arabic, Persian, Hindi, Hebrew
    ("wb", "您的验证码是482910，请在5分钟内输入", "482910"),
    ("wb", "【微信】验证码482910，请勿转发", "482910"),
    ("hw", "482911（支付宝验证码）", "482911"),
    ("me", "LINEの認証番号は559203です", "559203"),
    ("kt", "[카카오톡] 인증번호 4471를 입력해 주세요", "4471"),
    ("ot", "رمز التحقق الخاص بك هو ٤٨٢٩١٠", "482910"),
    ("ot", "کد تایید شما: ۱۲۳۴۵", "12345"),
    ("ot", "आपका ओटीपी 661902 है", "661902"),
    ("ot", "קוד האימות שלך הוא 771029", "771029"),
    # Letters only where they are known to come
    ("mt", "Your Steam verification code is 2F7BK", "2F7BK"),
    ("mt", "Steam verification code: KWXYZ", "KWXYZ"),
    ("ot", "Your verification code is 2F7BK", None),
    # None
    ("ot", "", None),
    ("ot", "Merhaba, nasılsın?", None),
    ("ot", "Happy new year 2026!", None),
    ("ot", "Call us: +90 530 123 45 67 or 0212 555 10 10", None),
    ("ot", "Kampanya: 2500 TL alışverişe 500 TL hediye, son gün 31.12.2026 23:59", None),
    ("ot", "Pay $4500 at https://pay.example.com/i/889201", None),
    ("ot", "Your balance is 1,250.75 EUR. 5000 points were added.", None),
    ("ot", "Listeden çıkmak için RED yazıp 4609'a gönderin", None),
    ("ot", "Order 55812 was shipped today and will be with you soon", None),
    ("ot", "Between 4811 and 5920 people came to the opening last night", None),
    ("ot", "Use promo code SAVE2026 today", None),
    ("ot", "Bring it to street 4411 please, I am at home all day", None),
    ("ot", "My number is 905301234567", None),
    ("ot", "Write to a1234@example.com about 12:30", None),
]


@pytest.mark.parametrize(("service", "text", "code"), TEXTS)
def test_the_code_in_a_text(service: str, text: str, code: str | None) -> None:
    assert find_code(text, service) == code


def test_a_pattern_of_the_operator_is_tried_first() -> None:
    text = "Ref 118203 for code 4455"
    assert find_code(text, "xy") == "4455"
    assert find_code(text, "xy", {"xy": r"ref (\d{6})"}) == "118203"
    assert find_code(text, "xy", {"xy": r"(ref) (?P<code>\d{6})"}) == "118203"
    assert find_code(text, "xy", {"xy": r"\d{4}$"}) == "4455"
    assert find_code(text, "other", {"xy": r"ref (\d{6})"}) == "4455"
    assert find_code(text, "xy", {"xy": r"nothing (\d+)"}) == "4455"
    assert find_code("It is AB-12 cd", "xy", {"xy": r"is (\w+-\w+ \w+)"}) == "AB12cd"


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "x" * (PATTERN_MAX + 1),
        "(",
        "[a",
        "a*",
        "(a|)",
        r"(a+)+b",
        r"(\d{1,3}){2}",
        r"(?:ab)*c",
        r"\d+.*\d+x",
        r"x{0,500}y{0,500}z",
        r"(?i)code (\d+)",
        r"(?x) a # (\d)",
        r"(a)(?(1)b|c)",
        "(?#no)a",
        "a{99999999999}",
    ],
)
def test_patterns_that_cannot_be_set(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        check_pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"code: (\d{4,8})",
        r"G-(?P<code>\d{6})\b",
        r"(?:kod|code)\D{0,20}(\d+)",
        r"\d{3}-\d{3}",
        r"(?<=#)\w{6}",
        r"[(+*]a+",
    ],
)
def test_patterns_that_can_be_set(pattern: str) -> None:
    check_pattern(pattern)


@pytest.mark.parametrize(
    "piece", ["code ", "1", "123 ", "@", "www.", "a.b-", "(0212) ", "$1,111", "code\n", "1 2-", "+1 (", "12:"]
)
def test_a_text_made_to_take_long_is_read(piece: str) -> None:
    """It ends, which some of these would not do for hours if anything had to be tried in every way."""
    text = piece * 500_000
    assert find_code(text + "code 123456", "mt", {"mt": r"a\D{0,90}(\d+)x"}) != "123456"


def test_what_stands_past_the_first_2000_characters_is_not_looked_at() -> None:
    assert find_code("code 1234" + " " * 3000 + "code 1234567", "ot") == "1234"
    assert find_code(" " * 2000 + "code 1234", "ot") is None
