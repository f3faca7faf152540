"""The message of a double opt-in, for every channel and in every language."""

import pytest

from gateway.contract import Part
from gateway.domain.confirmation import LINK, MESSAGES, confirmation
from gateway.domain.languages import WORDS, language_of, messages_in
from gateway.domain.templates import (
    ChannelContent,
    CheckedContent,
    JobNames,
    RecipientNames,
    RenderContext,
    check_content,
    compile_content,
)

MAIL = {
    "subject": Part(kind="line", max_chars=200),
    "text": Part(kind="text"),
    "html": Part(kind="html", required=False),
}
PUSH = {
    "title": Part(kind="line", max_chars=200),
    "body": Part(kind="text", max_chars=1000),
    "url": Part(kind="url", required=False),
    "icon": Part(kind="url", required=False),
}
TEXT = {"text": Part(kind="text", max_chars=1600)}
URL = "https://gateway.example.com/o/" + "A" * 30


@pytest.mark.parametrize("parts", [MAIL, PUSH, TEXT], ids=["mail", "push", "text"])
@pytest.mark.parametrize("language", WORDS)
def test_the_question_is_content_that_a_job_may_have_and_holds_the_link(parts: dict[str, Part], language: str) -> None:
    content = confirmation(parts)
    assert content is not None
    checked = check_content(content, parts, "en")
    assert isinstance(checked, CheckedContent)
    assert (checked.uses_coupon, checked.links, checked.variables) == (False, (), {LINK, MESSAGES})
    messages = messages_in(language, ["marketing", "survey"], "email", "email")
    rendered = compile_content(ChannelContent(variants=content, parts=parts, default_locale="en")).render(
        RenderContext(
            recipient=RecipientNames(name="Ελένη <Παππά>"),
            job=JobNames(name="double opt-in"),
            locale=language,
            vars={LINK: URL, MESSAGES: messages},
        )
    )
    assert rendered.locale == language
    body = rendered.parts.get("text") or rendered.parts["body"]
    assert URL in body
    assert messages in body
    assert not [text for text in rendered.parts.values() if "Ελένη" in text]


def test_a_click_on_a_notification_leads_to_the_question_and_no_picture_is_got_from_there() -> None:
    content = confirmation(PUSH)
    assert content is not None
    assert content["en"].keys() == {"title", "body", "url"}


@pytest.mark.parametrize("parts", [{}, {"title": Part(kind="line")}, {"url": Part(kind="url")}])
def test_a_channel_without_room_for_the_text_has_no_question(parts: dict[str, Part]) -> None:
    assert confirmation(parts) is None


def test_what_somebody_would_get_is_said_in_their_language() -> None:
    assert messages_in("it", ["marketing", "survey"], "email", "email") == "offerte e novità e sondaggi via e-mail"
    assert messages_in("en", ["club"], "pager", "pager") == "“club” (pager)"


@pytest.mark.parametrize(
    ("locale", "language"), [("it-IT", "it"), ("RU", "ru"), ("fr_CA", "fr"), ("pl", None), ("el", None), (None, None)]
)
def test_a_locale_has_a_language_where_we_speak_it(locale: str | None, language: str | None) -> None:
    assert language_of(locale) == language
