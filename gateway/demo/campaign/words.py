"""What the messages say, in three languages. The texts are templates of the gateway."""

from typing import Final

from msgspec import Struct


class Letter(Struct, frozen=True, kw_only=True):
    """One message of the job: as a mail, as a short message, as a push notification."""

    subject: str
    heading: str
    body: str
    button: str
    sms: str
    push_title: str
    push_body: str


class Card(Struct, frozen=True, kw_only=True):
    """The printed card; the code, its bars and its last day are printed beside these words."""

    headline: str
    body: str
    footer: str


class Words(Struct, frozen=True, kw_only=True):
    """One language. `coupon`, `reminder` and `last_call` are the steps of the job."""

    greeting: str
    code_label: str
    valid: str
    why: str
    unsubscribe: str
    coupon: Letter
    reminder: Letter
    last_call: Letter
    card: Card


_UNTIL: Final = "{{ coupon.valid_until | date }}, {{ coupon.valid_until | time }}"
_UNTIL_SHORT: Final = "{{ coupon.valid_until | date('short') }} {{ coupon.valid_until | time }}"

ENGLISH: Final = Words(
    greeting="Hello {{ recipient.name | default('there') }},",
    code_label="Your code",
    valid=f"Valid until {_UNTIL}, your time.",
    why="You get this mail because you asked for our offers when you signed up.",
    unsubscribe="Unsubscribe with one click",
    coupon=Letter(
        subject="We kept your place at the listening booth: 15% off",
        heading="It has been quiet without you",
        body="Six months without a new record is a long silence. Here are 15% off everything, for three days.",
        button="Back to the records",
        sms=f"Example Records: 15% off with {{{{ coupon.code }}}} until {_UNTIL_SHORT}. "
        "Stop: {{ unsubscribe_url }}",
        push_title="15% off, for three days",
        push_body="We missed you. Your code: {{ coupon.code }}",
    ),
    reminder=Letter(
        subject="Your 15% are still here",
        heading="Still thinking it over?",
        body="Your code is waiting, and so is the new shelf. One order, 15% off, nothing else to do.",
        button="Use my code",
        sms=f"Example Records: your 15% code {{{{ coupon.code }}}} holds until {_UNTIL_SHORT}. "
        "Stop: {{ unsubscribe_url }}",
        push_title="Your 15% are still here",
        push_body="{{ coupon.code }}: one order, 15% off.",
    ),
    last_call=Letter(
        subject="Last call: your 15% end {{ coupon.valid_until | date('medium') }}",
        heading="Last call",
        body="Your code ends soon. After that we leave you in peace.",
        button="Use it now",
        sms=f"Example Records: last call. {{{{ coupon.code }}}} ends {_UNTIL_SHORT}. Stop: {{{{ unsubscribe_url }}}}",
        push_title="Last call for your 15%",
        push_body="{{ coupon.code }} ends {{ coupon.valid_until | date('short') }}, {{ coupon.valid_until | time }}.",
    ),
    card=Card(
        headline="It has been quiet without you",
        body="Dear {{ recipient.name }},\n\nsix months without a new record is a long silence. "
        "Show this card at the till, or type {{ coupon.code }} when you order: 15% off everything, "
        "until {{ coupon.valid_until | date }}.\n\nYour Example Records",
        footer="Example Records, Via dell’Esempio 1, 00100 Roma RM, Italy. You may object to letters like this "
        "at any time, free of charge: write to us, or to people@records.example.",
    ),
)

ITALIAN: Final = Words(
    greeting="Ciao {{ recipient.name | default('a te') }},",
    code_label="Il tuo codice",
    valid=f"Vale fino al {_UNTIL}, ora tua.",
    why="Ricevi questa mail perché hai chiesto le nostre offerte quando ti sei registrato.",
    unsubscribe="Annulla l’iscrizione con un clic",
    coupon=Letter(
        subject="Ti abbiamo tenuto il posto in cuffia: 15% di sconto",
        heading="Senza di te c’è silenzio",
        body="Sei mesi senza un disco nuovo sono lunghi. Ecco il 15% di sconto su tutto, per tre giorni.",
        button="Torna ai dischi",
        sms=f"Example Records: 15% con {{{{ coupon.code }}}} fino al {_UNTIL_SHORT}. Stop: {{{{ unsubscribe_url }}}}",
        push_title="15% di sconto, per tre giorni",
        push_body="Ci manchi. Il tuo codice: {{ coupon.code }}",
    ),
    reminder=Letter(
        subject="Il tuo 15% è ancora qui",
        heading="Ci stai ancora pensando?",
        body="Il codice ti aspetta, e anche lo scaffale delle novità. Un ordine, il 15% in meno, nient’altro da fare.",
        button="Usa il codice",
        sms=f"Example Records: il codice {{{{ coupon.code }}}} vale fino al {_UNTIL_SHORT}. "
        "Stop: {{ unsubscribe_url }}",
        push_title="Il tuo 15% è ancora qui",
        push_body="{{ coupon.code }}: un ordine, il 15% in meno.",
    ),
    last_call=Letter(
        subject="Ultima chiamata: il tuo 15% finisce il {{ coupon.valid_until | date('medium') }}",
        heading="Ultima chiamata",
        body="Il tuo codice sta per scadere. Poi ti lasciamo in pace.",
        button="Usalo adesso",
        sms=f"Example Records: ultima chiamata. {{{{ coupon.code }}}} scade il {_UNTIL_SHORT}. "
        "Stop: {{ unsubscribe_url }}",
        push_title="Ultima chiamata per il tuo 15%",
        push_body="{{ coupon.code }} scade il {{ coupon.valid_until | date('short') }}, "
        "{{ coupon.valid_until | time }}.",
    ),
    card=Card(
        headline="Senza di te c’è silenzio",
        body="Ciao {{ recipient.name }},\n\nsei mesi senza un disco nuovo sono lunghi. "
        "Mostra questa cartolina alla cassa, o scrivi {{ coupon.code }} quando ordini: 15% di sconto su tutto, "
        "fino al {{ coupon.valid_until | date }}.\n\nI tuoi Example Records",
        footer="Example Records, Via dell’Esempio 1, 00100 Roma RM. Puoi opporti in ogni momento e senza spese "
        "all’invio di lettere come questa: scrivici, anche a people@records.example.",
    ),
)

RUSSIAN: Final = Words(
    greeting="Здравствуйте, {{ recipient.name | default('друг') }}!",
    code_label="Ваш код",
    valid=f"Действует до: {_UNTIL}, по вашему времени.",
    why="Вы получили это письмо, потому что при регистрации попросили присылать наши предложения.",
    unsubscribe="Отписаться одним нажатием",
    coupon=Letter(
        subject="Ваше место у прилавка свободно: скидка 15 %",
        heading="Без вас тихо",
        body="Полгода без новой пластинки — это долго. Дарим скидку 15 % на всё, на три дня.",
        button="К пластинкам",
        sms="Example Records: −15 % {{ coupon.code }} до {{ coupon.valid_until | date('short') }}. "
        "Отказ: {{ unsubscribe_url }}",
        push_title="Скидка 15 % на три дня",
        push_body="Мы скучали. Ваш код: {{ coupon.code }}",
    ),
    reminder=Letter(
        subject="Ваши 15 % всё ещё ждут",
        heading="Ещё думаете?",
        body="Код ждёт вас, новинки тоже. Один заказ, минус 15 %, и больше ничего не нужно.",
        button="Применить код",
        sms="Example Records: код {{ coupon.code }} до {{ coupon.valid_until | date('short') }}. "
        "Отказ: {{ unsubscribe_url }}",
        push_title="Ваши 15 % всё ещё ждут",
        push_body="{{ coupon.code }}: один заказ, минус 15 %.",
    ),
    last_call=Letter(
        subject="Последний звонок: 15 % до {{ coupon.valid_until | date('medium') }}",
        heading="Последний звонок",
        body="Скоро код перестанет действовать. После этого мы вас не потревожим.",
        button="Применить сейчас",
        sms="Example Records: код {{ coupon.code }} только до {{ coupon.valid_until | date('short') }} "
        "{{ coupon.valid_until | time }}. Отказ: {{ unsubscribe_url }}",
        push_title="Последний звонок: 15 %",
        push_body="{{ coupon.code }} до {{ coupon.valid_until | date('short') }}, {{ coupon.valid_until | time }}.",
    ),
    card=Card(
        headline="Без вас тихо",
        body="Здравствуйте, {{ recipient.name }}!\n\nПолгода без новой пластинки — это долго. "
        "Покажите эту карточку на кассе или укажите {{ coupon.code }} при заказе: скидка 15 % на всё, "
        "до {{ coupon.valid_until | date }}.\n\nВаши Example Records",
        footer="Example Records, Via dell’Esempio 1, 00100 Roma RM, Италия. Вы можете в любое время бесплатно "
        "отказаться от таких писем: напишите нам, например на people@records.example.",
    ),
)
