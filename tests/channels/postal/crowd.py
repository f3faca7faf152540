"""A crowd of made-up people who read in many scripts, and what is written to them."""

from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from gateway.contract import Address, CouponView, Outbound, Piece

ALPHABET = "23456789ABCDFGHJKMNPQRSTVWXYZ"


class Tongue(Struct, frozen=True, kw_only=True):
    """What people of one language are called, where they live, and how they are written to."""

    locale: str
    given: tuple[str, ...]
    family: tuple[str, ...]
    long: str
    """A name that fills its line, or needs two."""
    streets: tuple[str, ...]
    """`#` is where the number of the house goes."""
    places: tuple[tuple[str, str, str], ...]
    """Postcode, city, region."""
    headline: str
    body: str
    title: str
    footer: str


TONGUES: tuple[Tongue, ...] = (
    Tongue(
        locale="it-IT",
        given=("Nicolò", "Anna Lucia", "Già", "Perla"),
        family=("D'Alù", "Bianchi-Esempio", "Dell’Orto", "Prova"),
        long="Maria Francesca Alessandra Buonaventura della Torre di Esempio e Prova",
        streets=("Via Libertà #/A", "Viale dell’Università #", "Piazza Santa Prova #"),
        places=(("20121", "Milano", "MI"), ("00184", "Roma", "RM"), ("09124", "Cagliari", "CA")),
        headline="Ci manchi: torna a trovarci",
        body="Il tuo tavolo preferito è ancora lì, vicino alla finestra.\n\nPassa quando vuoi: ti aspettiamo.",
        title="15 € per te",
        footer="Bottega Esempio, Via Esempio 9, 00100 Roma. Puoi opporti in ogni momento alla pubblicità per posta: "
        "privacy@example.com o example.com/stop.",
    ),
    Tongue(
        locale="ru-RU",
        given=("Иван", "Наталья", "Пётр", "Юлия"),
        family=("Примеров", "Щукина-Пробная", "Ёлкин", "Объедков"),
        long="Александра Владиславовна Преображенская-Образцова",
        streets=("ул. Примерная, д. #", "Большой проспект, д. #, кв. 8", "наб. реки Пробной, д. #"),
        places=(("125009", "Москва", "Москва"), ("191186", "Санкт-Петербург", "Санкт-Петербург")),
        headline="Мы скучали по вам",
        body="Ваш столик у окна свободен.\n\nПриходите, когда вам удобно: мы будем рады.",
        title="Скидка 20 %",
        footer="Bottega Esempio, Via Esempio 9, 00100 Roma. Вы можете в любое время отказаться от рекламы по почте: "
        "privacy@example.com или example.com/stop.",
    ),
    Tongue(
        locale="uk-UA",
        given=("Олександр", "Євгенія", "Їжакевич", "Ґалаґан"),
        family=("Їжак", "Щасливий", "Зразкова", "Під’їзний"),
        long="Всеволод-Володимир Святославович Переяславець-Зразковий-Подільський",
        streets=("вул. Зразкова, #", "бульв. Пробний, #, кв. 3", "пл. Європейська, #"),
        places=(("01001", "Київ", "Київ"), ("79008", "Львів", "Львівська область")),
        headline="Ми скучили за вами",
        body="Ваш столик біля вікна вільний.\n\nПриходьте, коли зручно: будемо раді.",
        title="Знижка 20 %",
        footer="Bottega Esempio, Via Esempio 9, 00100 Roma. Ви можете будь-коли відмовитися від реклами поштою: "
        "privacy@example.com або example.com/stop.",
    ),
    Tongue(
        locale="el-GR",
        given=("Αλέξανδρος", "Ευγενία", "Ραΰλ", "Ίρις"),
        family=("Δοκιμής", "Παραδείγματος", "Μαΐου", "Ήλιος"),
        long="Κωνσταντίνος-Παναγιώτης Παπαδημητρόπουλος του Παραδείγματος",
        streets=("Οδός Δοκιμής #", "Λεωφόρος Παραδείγματος #", "Πλατεία Ήρωα #"),
        places=(("105 63", "Αθήνα", "Αττική"), ("546 24", "Θεσσαλονίκη", "")),
        headline="Μας λείψατε",
        body="Το αγαπημένο σας τραπέζι σας περιμένει.\n\nΕλάτε όποτε θέλετε.",
        title="Έκπτωση 20 %",
        footer="Bottega Esempio, Via Esempio 9, 00100 Roma. Μπορείτε να αντιταχθείτε ανά πάσα στιγμή στη διαφήμιση: "
        "privacy@example.com ή example.com/stop.",
    ),
    Tongue(
        locale="pl-PL",
        given=("Zażółć", "Łucja", "Świętosława", "Józef"),
        family=("Gęślą-Jaźń", "Przykładowa", "Źdźbło", "Ćma"),
        long="Stanisława Wojciechowska-Brzęczyszczykiewicz z Chrząszczyżewoszyc Przykładowa",
        streets=("ul. Świętokrzyska #/32", "al. Przykładowa # m. 5", "pl. Próbny #"),
        places=(("00-050", "Warszawa", ""), ("90-001", "Łódź", "")),
        headline="Tęsknimy za Tobą",
        body="Twój ulubiony stolik wciąż czeka przy oknie.\n\nZajrzyj, kiedy masz ochotę.",
        title="20 % taniej",
        footer="Bottega Esempio, Via Esempio 9, 00100 Roma. W każdej chwili możesz sprzeciwić się reklamie pocztą: "
        "privacy@example.com lub example.com/stop.",
    ),
    Tongue(
        locale="de-DE",
        given=("Jörg", "Käthe", "Ümit", "Änne"),
        family=("Müller-Süß", "Groß", "von der Beispielhöhe", "Oßwald"),
        long="Prof. Dr. Dr. h. c. Karl-Theodor Maria Nikolaus von und zu Musterhausen",
        streets=("Große Straße #", "Prüfgäßchen #", "Am Übungsplatz #"),
        places=(("10117", "Berlin", ""), ("01067", "Dresden", "")),
        headline="Schön, wenn Sie wiederkämen",
        body="Ihr Lieblingstisch am Fenster ist noch da.\n\nKommen Sie vorbei, wann immer es passt.",
        title="15 € für Sie",
        footer="Bottega Esempio, Via Esempio 9, 00100 Roma. Der Verwendung Ihrer Anschrift für Werbung können Sie "
        "jederzeit widersprechen: privacy@example.com oder example.com/stop.",
    ),
    Tongue(
        locale="fr-FR",
        given=("Zoé", "Noël", "Maïa", "Agnès"),
        family=("Lefèvre-Œuvrard", "d’Exemple", "Çelik", "Île"),
        long="Marie-Antoinette Clémentine Joséphine de La Tour d’Exemple-Œuvrard",
        streets=("# rue de l’Exemple", "# bis, allée de l’Épreuve", "# place du Marché"),
        places=(("75011", "Paris", ""), ("06000", "Nice", "")),
        headline="Vous nous manquez",
        body="Votre table préférée est toujours là, près de la fenêtre.\n\nPassez quand vous voulez.",
        title="15 € pour vous",
        footer="Bottega Esempio, Via Esempio 9, 00100 Roma. Vous pouvez vous opposer à tout moment à la publicité par "
        "courrier : privacy@example.com ou example.com/stop.",
    ),
    Tongue(
        locale="cs-CZ",
        given=("Jiří", "Žofie", "Šárka", "Ďurďa"),
        family=("Příkladný", "Zkoušková", "Řeřicha", "Ťuťulka"),
        long="Bohumila Příkladová-Zkoušková Žluťoučká-Ďábelská",
        streets=("Příkladná #/12", "Náměstí Zkoušky #", "Žižkova #"),
        places=(("110 00", "Praha", ""), ("602 00", "Brno", "")),
        headline="Chybíte nám",
        body="Váš oblíbený stůl u okna je pořád volný.\n\nPřijďte, kdykoli se vám to hodí.",
        title="Sleva 20 %",
        footer="Bottega Esempio, Via Esempio 9, 00100 Roma. Proti zasílání reklamy můžete kdykoli vznést námitku: "
        "privacy@example.com nebo example.com/stop.",
    ),
    Tongue(
        locale="tr-TR",
        given=("Işıl", "İsmail", "Çağla", "Oğuz"),
        family=("Örnek", "Şahinoğlu", "Güneş", "Ilgın"),
        long="Ayşegül Nurşen Çağlayangil-Örnekoğlu Şahinbaşgil",
        streets=("Örnek Sokak No: #", "İnönü Caddesi No: #/4", "Çiğdem Bulvarı No: #"),
        places=(("34430", "Beyoğlu", "İstanbul"), ("06420", "Çankaya", "Ankara")),
        headline="Sizi özledik",
        body="Pencere kenarındaki masanız hâlâ sizi bekliyor.\n\nNe zaman isterseniz gelin.",
        title="%20 indirim",
        footer="Bottega Esempio, Via Esempio 9, 00100 Roma. Reklam gönderilmesine her zaman itiraz edebilirsiniz: "
        "privacy@example.com veya example.com/stop.",
    ),
    Tongue(
        locale="vi-VN",
        given=("Nguyễn Thị", "Trần Đức", "Lê Mỹ", "Phạm Hữu"),
        family=("Ví Dụ", "Thử Nghiệm", "Mẫu", "Ước"),
        long="Công Tằng Tôn Nữ Nguyễn Thị Ví Dụ Thử Nghiệm Quỳnh Hương",
        streets=("# Đường Ví Dụ", "# Phố Thử Nghiệm", "# Ngõ Mẫu"),
        places=(("100000", "Hà Nội", "Hà Nội"), ("700000", "Quận 1", "Thành phố Hồ Chí Minh")),
        headline="Chúng tôi nhớ bạn",
        body="Chiếc bàn bên cửa sổ vẫn chờ bạn.\n\nHãy ghé qua bất cứ lúc nào.",
        title="Giảm 20 %",
        footer="Bottega Esempio, Via Esempio 9, 00100 Roma. Bạn có thể từ chối quảng cáo qua bưu điện bất cứ lúc nào: "
        "privacy@example.com hoặc example.com/stop.",
    ),
    Tongue(
        locale="en-GB",
        given=("Siân", "Zoë", "Máire", "Bob"),
        family=("O’Connor", "Sample-Smythe", "Ó Sampla", "Li"),
        long="The Reverend Bartholomew Featherstonehaugh-Sample the Younger",
        streets=("# Sample Street", "Flat 3, # Example Mews", "# Trial Gardens"),
        places=(("SW1A 1AA", "London", ""), ("EH1 1YZ", "Edinburgh", "")),
        headline="We kept your table",
        body="The one by the window is still there.\n\nDrop in whenever you like.",
        title="15 € off",
        footer="Bottega Esempio, Via Esempio 9, 00100 Roma. You can object to the use of your address for advertising "
        "at any time and free of charge: privacy@example.com or example.com/stop.",
    ),
)


def code_of(number: int) -> str:
    """Twelve symbols, different for each number."""
    symbols, rest = "", number * 7919 + 10**13
    for _ in range(12):
        rest, digit = divmod(rest, len(ALPHABET))
        symbols = ALPHABET[digit] + symbols
    return f"{symbols[:4]}-{symbols[4:8]}-{symbols[8:]}"


def coupon_of(number: int, title: str) -> CouponView:
    """The coupon of a person, with a signed address of its page."""
    code = code_of(number)
    signature = code_of(number * 31).replace("-", "") + "WXYZ"
    return CouponView(
        code=code,
        offer="o-1",
        title=title,
        valid_until=datetime(2027, 3, 31, 22, tzinfo=UTC),
        url=f"https://go.example.com/r/{code.replace('-', '')}/1/{signature}",
    )


def message_to(number: int, tongue: Tongue | None = None, **parts: str) -> Outbound:
    """Person `number` of the crowd: languages take turns; every eleventh of a language has a long name."""
    of = tongue or TONGUES[number % len(TONGUES)]
    turn = number // len(TONGUES)
    postcode, city, region = of.places[turn % len(of.places)]
    name = f"{of.given[turn % len(of.given)]} {of.family[turn // len(of.given) % len(of.family)]}"
    data: dict[str, Any] = {
        "street": of.streets[turn % len(of.streets)].replace("#", str(1 + number % 199)),
        "postcode": postcode,
        "city": city,
        "region": region,
        "country": of.locale[-2:],
    }
    return Outbound(
        id=f"m-{number}",
        send_id=f"s-{number}",
        job_id="j-1",
        recipient_id=f"customer-{number}",
        name=of.long if turn % 11 == 5 else name,
        address=Address(kind="postal", value=" ".join(data.values()), data=data),
        parts={"headline": of.headline, "body": of.body, "footer": of.footer, **parts},
        locale=of.locale,
        purpose="marketing",
        coupon=coupon_of(number, of.title),
    )


def crowd(people: int, **parts: str) -> list[Piece]:
    """Pieces to that many people: the 40th and every 50th after it has no coupon, the 25th and the last are seeds."""
    messages = [message_to(number, **parts) for number in range(1, people + 1)]
    return [
        Piece(
            sequence=sequence,
            message=replace(message, coupon=None) if sequence % 50 == 40 else message,
            is_seed=sequence in (25, people),
        )
        for sequence, message in enumerate(messages, 1)
    ]
