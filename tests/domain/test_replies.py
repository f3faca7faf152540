"""What somebody means who writes back, in the spellings that people really use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract import Intent
from gateway.domain.replies import BUILT_IN, Reading, ReplyWords, read, tokens_of

NONE = ReplyWords()


def meaning(text: str, words: ReplyWords = NONE) -> Intent | None:
    return read(text, words).intent


@pytest.mark.parametrize(
    "text",
    ["STOP", "stop", " Stop! ", "STOP.", "“stop”", "'stop'", "🛑 STOP 🛑", "ＳＴＯＰ", "S.T.O.P.", "s t o p",
     "Stooooop", "S\u200bTO\u2060P", "STOP STOP", "stop please", "Please STOP, thank you!", "ok stop",
     "Stop all", "opt-out", "Opt out", "stop cancel end", "\n\n  stop\n",
     "stop\n\n--\nAnna Bianchi\nsent from a telephone"],
)  # fmt: skip
def test_stop_is_stop_however_it_is_written(text: str) -> None:
    assert read(text, NONE) == Reading(Intent.STOP, False)


@pytest.mark.parametrize(
    "text",
    ["Unsubscribe", "QUIT", "revoke", "ARRET", "arrêt", "Arrêter svp", "Désabonnement", "BAJA", "Alto",
     "dar de baja por favor", "Stopp", "Abmelden bitte", "AUFHÖREN", "annulla", "CANCELLAMI, grazie",
     "basta!", "sair", "descadastrar", "Uitschrijven", "sluta", "wypisz mnie", "Rezygnuję", "rezygnuje",
     "СТОП", "стоп, пожалуйста", "Отписаться", "ΣΤΟΠ", "Διακοπή", "ΔΙΑΚΟΠΗ", "τέλος", "İPTAL", "iptal",
     "הסר", "إيقاف", "ايقاف", "退订", "配信停止", "수신거부"],
)  # fmt: skip
def test_stop_is_understood_in_many_languages_with_and_without_accents(text: str) -> None:
    assert meaning(text) is Intent.STOP


@pytest.mark.parametrize(
    "text",
    ["Please remove me from this list.", "remove me", "Don’t text me again", "dont text me", "No más",
     "no mas", "Stop texting me!!", "Take me off your list", "NON SCRIVETEMI PIÙ",
     "ne m'envoyez plus de messages", "Keine weiteren Nachrichten bitte", "nie wysyłajcie mi tego",
     "Не пишите мне больше", "Μην μου στέλνετε άλλα", "geen berichten meer aub", "Inga fler, tack"],
)  # fmt: skip
def test_a_message_that_begins_with_a_phrase_means_stop(text: str) -> None:
    assert meaning(text) is Intent.STOP


@pytest.mark.parametrize(
    "text",
    ["don't stop", "I will stop by at the end of the day", "Where is the bus stop?",
     "can I cancel my order 4711?", "help stop", "I never asked for this, remove me",
     "perché dovrei dire basta", "non è alto", "我要退订",
     "remove me from the list of those who come on Sunday but keep my husband on it"],
)  # fmt: skip
def test_what_only_holds_a_stop_word_is_shown_to_a_person(text: str) -> None:
    assert read(text, NONE) == Reading(None, True)


@pytest.mark.parametrize(
    "text",
    ["", "   ", "🙂", "Yes", "sì", "ok thanks", "Che ore sono?", "nonstop", "Спасибо!", "شكرا", "weekend", "1042"],
)
def test_anything_else_asks_for_nothing(text: str) -> None:
    assert read(text, NONE) == Reading(None, False)


@pytest.mark.parametrize(
    ("text", "intent"),
    [("START", Intent.START), ("unstop", Intent.START), ("Riattiva, per favore", Intent.START), ("старт", Intent.START),
     ("HELP", Intent.HELP), ("info", Intent.HELP), ("aiuto!", Intent.HELP), ("βοήθεια", Intent.HELP),
     ("ПОМОЩЬ", Intent.HELP)],
)  # fmt: skip
def test_start_and_help_are_understood_too(text: str, intent: Intent) -> None:
    assert read(text, NONE) == Reading(intent, False)


def test_yes_starts_nothing_because_it_answers_any_question() -> None:
    assert not {("yes",), ("si",), ("ja",)} & {tokens_of(word) for word in BUILT_IN.start}


def test_the_operators_words_count_beside_those_that_are_built_in() -> None:
    words = ReplyWords(stop=("Schluss",), phrases=("ab mit euch",))
    assert meaning("schluss") is None
    assert meaning("SCHLUSS!", words) is Intent.STOP
    assert meaning("Ab mit euch, ihr Lieben", words) is Intent.STOP
    assert meaning("stop", words) is Intent.STOP


def test_a_word_in_two_lists_asks_for_less() -> None:
    assert meaning("halt", ReplyWords(start=("halt",), help=("halt",))) is Intent.STOP


def test_words_of_several_packs_are_joined() -> None:
    joined = ReplyWords(stop=("a",), source="a law").joined(ReplyWords(stop=("b",), help=("c",)))
    assert (joined.stop, joined.help, joined.source) == (("a", "b"), ("c",), "")


def test_a_word_without_letters_is_refused() -> None:
    with pytest.raises(ValueError, match="stop: holds a word without a letter or digit"):
        ReplyWords(stop=("🛑",))


@pytest.mark.parametrize("listed", ["stop", "start", "help"])
def test_every_built_in_word_means_what_its_list_says(listed: str) -> None:
    for word in getattr(BUILT_IN, listed):
        assert meaning(word.upper()) == listed, word
        assert meaning(f"«{word}»…") == listed, word


def test_every_built_in_phrase_means_stop() -> None:
    assert [phrase for phrase in BUILT_IN.phrases if meaning(f"{phrase}!") is not Intent.STOP] == []


@given(st.text(max_size=200))
def test_no_text_is_too_strange_to_be_read(text: str) -> None:
    reading = read(text, NONE)
    assert not (reading.intent and reading.needs_review)
    assert read(f"{text} stop {text}", NONE) != Reading(None, False)


@given(st.sampled_from([*BUILT_IN.stop]), st.sampled_from(["", " ", "!", "…", " 🙏", "\n", "\t. "]), st.booleans())
def test_decoration_changes_no_meaning(word: str, around: str, loud: bool) -> None:
    assert meaning(f"{around}{word.upper() if loud else word}{around}") is Intent.STOP
