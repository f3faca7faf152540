"""What somebody means who writes back: to stop, to start again, help, or something that a person has to read.

Any reasonable way to say no counts (47 CFR 64.1200(a)(10)), in whatever language and spelling. What is certain
is acted on at once; what merely sounds like a no is shown to a person, because a machine would guess.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import date
from functools import lru_cache
from typing import Annotated, Final, NamedTuple

from msgspec import Meta, Struct

from gateway.contract import Intent

Word = Annotated[str, Meta(min_length=1, max_length=60)]
Tokens = tuple[str, ...]

_LONGEST_PHRASE: Final = 12
"""A message of more words that begins with a phrase tells a story: a person reads it."""


class ReplyWords(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What means stop, start or help where it is the whole message. `phrases` are how a message begins that means stop.

    Capitals, accents, punctuation and emoji make no difference. People write in any language, so all words of
    all packs count for everybody, beside those that are built in.
    """

    stop: tuple[Word, ...] = ()
    start: tuple[Word, ...] = ()
    help: tuple[Word, ...] = ()
    phrases: tuple[Word, ...] = ()
    source: str = ""
    read_on: date | None = None

    def __post_init__(self) -> None:
        for name in ("stop", "start", "help", "phrases"):
            blank = [word for word in getattr(self, name) if not tokens_of(word)]
            if blank:
                raise ValueError(f"{name}: holds a word without a letter or digit")

    def joined(self, *others: "ReplyWords") -> "ReplyWords":
        """The words of all of them."""
        every = (self, *others)
        return ReplyWords(
            stop=sum((each.stop for each in every), start=()),
            start=sum((each.start for each in every), start=()),
            help=sum((each.help for each in every), start=()),
            phrases=sum((each.phrases for each in every), start=()),
        )


class Reading(NamedTuple):
    """What a reply means. `needs_review`: it may mean stop, and only a person can tell."""

    intent: Intent | None
    needs_review: bool


def read(text: str, words: ReplyWords) -> Reading:
    """What a reply means, by the built-in words and these.

    The whole message counts, or its first line: below it stand signatures.
    """
    vocabulary = _vocabulary(words)
    whole = tokens_of(text)
    first = next((found for line in text.splitlines() if (found := tokens_of(line))), ())
    intent = vocabulary.meaning(whole) or vocabulary.meaning(first)
    return Reading(intent, intent is None and vocabulary.mentions_stop(whole))


def tokens_of(text: str) -> Tokens:
    """The words of a text as they are compared: no capitals, accents, punctuation, emoji or stretched letters."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    spaced = "".join(_compared(symbol) for symbol in folded)
    found = tuple(_STRETCHED.sub(r"\1", spaced).split())
    # S.T.O.P and s t o p
    return ("".join(found),) if len(found) > 1 and all(len(each) == 1 for each in found) else found


_STRETCHED: Final = re.compile(r"([^\W\d_])\1{2,}")
_APOSTROPHES: Final = frozenset("'’‘ʼ`´")
# Letters that people without them on their keys write plain, and that Unicode does not take apart.
_PLAIN: Final = {"ł": "l", "ø": "o", "đ": "d", "ı": "i"}


def _compared(symbol: str) -> str:
    category = unicodedata.category(symbol)
    if category in ("Mn", "Me", "Cf") or symbol in _APOSTROPHES:
        return ""
    return _PLAIN.get(symbol, symbol) if category[0] in "LNM" else " "


class _Vocabulary(NamedTuple):
    """Words made ready to be compared with."""

    meanings: dict[Tokens, Intent]
    stop: tuple[Tokens, ...]
    phrases: tuple[Tokens, ...]

    def meaning(self, message: Tokens) -> Intent | None:
        if message in self.meanings:
            return self.meanings[message]
        core = _without_courtesy(message)
        if core in self.meanings:
            return self.meanings[core]
        if core and all(self.meanings.get((each,)) is Intent.STOP for each in core):
            return Intent.STOP
        begins = len(message) <= _LONGEST_PHRASE and any(core[: len(each)] == each for each in self.phrases)
        return Intent.STOP if begins else None

    def mentions_stop(self, message: Tokens) -> bool:
        spaced, solid = f" {' '.join(message)} ", "".join(message)
        return any(f" {' '.join(each)} " in spaced or _stands_in(each, solid) for each in (*self.stop, *self.phrases))


def _stands_in(word: Tokens, solid: str) -> bool:
    """Chinese and Japanese put no spaces between words."""
    joined = "".join(word)
    return joined[0] >= "\u2e80" and joined in solid


def _without_courtesy(message: Tokens) -> Tokens:
    start, end = 0, len(message)
    while start < end and message[start] in _COURTESY:
        start += 1
    while end > start and message[end - 1] in _COURTESY:
        end -= 1
    return message[start:end]


@lru_cache(maxsize=8)
def _vocabulary(words: ReplyWords) -> _Vocabulary:
    every = BUILT_IN.joined(words)
    # Where a word is in two lists, the one that asks for less mail holds.
    told = [(Intent.HELP, every.help), (Intent.START, every.start), (Intent.STOP, every.stop)]
    return _Vocabulary(
        meanings={tokens: intent for intent, listed in told for tokens in _compared_all(listed)},
        stop=tuple(_compared_all(every.stop)),
        phrases=tuple(_without_courtesy(each) or each for each in _compared_all(every.phrases)),
    )


def _compared_all(words: Sequence[str]) -> Iterator[Tokens]:
    return (tokens_of(word) for word in words)


_COURTESY: Final = frozenset(
    "please pls plz thanks thank thx you ty ok okay hi hello hey now kindly sir madam"
    " svp sil te vous plait merci bonjour"
    " por favor gracias hola"
    " bitte danke hallo sofort jetzt"
    " per favore cortesia grazie ciao buongiorno salve subito adesso"
    " obrigado obrigada ola"
    " tack hej snalla alstublieft bedankt dank"
    " prosze dziekuje dzien dobry"
    " пожалуиста спасибо здравствуите добрыи день"
    " παρακαλω ευχαριστω".split()
)
"""What people put around a word, as `tokens_of` leaves it."""

BUILT_IN: Final = ReplyWords(
    stop=(
        *("stop", "stopall", "stop all", "unsubscribe", "cancel", "end", "quit"),
        *("optout", "opt out", "revoke", "remove"),
        *("arrêt", "arrêter", "arrêtez", "stopper", "désabonner", "désabonnement", "désinscrire", "désinscription"),
        *("alto", "baja", "parar", "pare", "detener", "cancelar", "basta", "salir", "dar de baja", "darme de baja"),
        *("stopp", "abmelden", "abmeldung", "abbestellen", "beenden", "austragen", "aufhören", "halt"),
        *("annulla", "cancella", "cancellami", "ferma", "fermare", "disiscrivi", "disiscrivimi", "disattiva"),
        *("sair", "remover", "descadastrar", "cancelar inscrição"),
        *("afmelden", "uitschrijven", "stoppen"),
        *("sluta", "avsluta", "avregistrera", "afmeld", "meld av", "lopeta", "peruuta"),
        *("wypisz", "wypisz mnie", "rezygnuję", "rezygnacja", "anuluj", "koniec", "odhlásit", "zrušit", "konec"),
        *("стоп", "отписаться", "отписка", "отмена", "хватит", "відписатися", "відписка"),
        *("στοπ", "διακοπή", "διαγραφή", "τέλος", "σταματήστε"),
        *("dezabonare", "oprește", "leiratkozás", "durdur", "iptal", "ret"),
        *("הסר", "הסרה", "עצור", "הפסק", "توقف", "إيقاف", "إلغاء"),
        *("退订", "退訂", "停止", "td", "配信停止", "수신거부"),
    ),
    start=(
        *("start", "unstop", "subscribe", "resubscribe", "opt in", "optin"),
        *("commencer", "reprendre", "alta", "iniciar", "empezar", "comenzar", "starten", "anmelden"),
        *("inizia", "iniziare", "riprendi", "riattiva", "iscrivi", "iscrivimi", "começar", "aanmelden", "starta"),
        *("rozpocznij", "wznów", "zapisz", "старт", "начать", "подписаться", "возобновить", "έναρξη", "εγγραφή"),
    ),
    help=(
        *("help", "info", "aide", "ayuda", "hilfe", "aiuto", "ajuda", "hulp", "hjälp", "apua", "pomoc"),
        *("помощь", "инфо", "βοήθεια", "עזרה", "مساعدة", "帮助", "ヘルプ"),
    ),
    phrases=(
        *("stop texting", "stop messaging", "stop sending", "stop contacting", "stop emailing", "stop mailing"),
        *("stop writing", "stop the messages", "stop the texts", "stop these", "stop this", "stop it", "stop sms"),
        *("remove me", "take me off", "unsubscribe me", "opt me out", "leave me alone", "delete my number"),
        *("no more messages", "no more texts", "no more emails", "no more mails", "no more sms"),
        *("do not text", "don't text", "do not contact", "don't contact", "do not message", "don't message"),
        *("do not email", "don't email", "i want to unsubscribe", "i want to opt out", "i wish to unsubscribe"),
        *("ne m'envoyez plus", "ne plus", "plus de sms", "plus de messages", "je ne veux plus", "arrêtez de"),
        *("désabonnez moi", "désinscrivez moi", "retirez moi", "supprimez moi"),
        *("no más", "no mas", "no quiero más", "no me envíen", "no me escriban", "no me manden", "dejen de", "deja de"),
        *("dame de baja", "denme de baja", "quiero darme de baja", "bórrenme", "elimínenme"),
        *("keine weiteren", "keine sms mehr", "keine nachrichten mehr", "keine mails mehr", "keine werbung mehr"),
        *("melden sie mich ab", "meldet mich ab", "hören sie auf", "hört auf", "löschen sie mich"),
        *("streichen sie mich", "schreiben sie mir nicht", "schreibt mir nicht", "nicht mehr schreiben"),
        *("non scrivetemi", "non mandatemi", "non inviatemi", "non contattatemi", "non voglio più", "basta messaggi"),
        *("basta sms", "smettete", "smettetela", "toglietemi", "rimuovetemi", "cancellatemi", "disiscrivetemi"),
        *("não quero mais", "não me mande", "não me envie", "não enviem", "parem de", "pare de", "me remova"),
        *("geen berichten meer", "schrijf me uit", "haal me van", "stuur me geen"),
        *("sluta skicka", "sluta skriva", "skicka inte", "inga fler", "ta bort mig"),
        *("nie wysyłajcie", "nie piszcie", "proszę mnie wypisać", "wypiszcie mnie", "usuńcie mnie", "nie chcę więcej"),
        *("не пишите", "не присылайте", "не отправляйте", "больше не", "хватит писать", "прекратите", "уберите меня"),
        *("удалите меня", "отпишите меня", "отписать меня"),
        *("μην στέλνετε", "μη στέλνετε", "μη μου στέλνετε", "μην μου στέλνετε", "διαγράψτε με", "δεν θέλω άλλα"),
    ),
)
"""The words of the carriers and of everyday life. YES is not among those that start: it answers any question."""
