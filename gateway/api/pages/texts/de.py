"""The pages in German."""

from typing import Final

from gateway.api.pages.texts.shape import Texts

TEXTS: Final = Texts(
    unsubscribe_title="Abmelden",
    unsubscribe_ask="Möchten Sie {messages} nicht mehr erhalten?",
    unsubscribe_button="Ja, abmelden",
    unsubscribed_title="Sie sind abgemeldet",
    unsubscribed="Sie erhalten {messages} nicht mehr.",
    coupon_title="Ihr Gutschein",
    coupon_valid_until="Gültig bis {when}",
    coupon_valid_from="Gültig ab {when}",
    coupon_min_order="Ab einem Bestellwert von {amount}",
    coupon_how="Zeigen Sie diesen Code an der Kasse oder geben Sie ihn bei der Bestellung ein.",
    coupon_once="Er gilt einmal.",
    coupon_uses_left="Verbleibende Einlösungen: {count}",
    coupon_balance="Restguthaben: {amount}",
    coupon_not_yet="Dieser Gutschein gilt noch nicht.",
    coupon_redeemed="Dieser Gutschein wurde schon eingelöst.",
    coupon_over="Dieser Gutschein ist nicht mehr gültig.",
    opt_in_title="Bitte bestätigen Sie",
    opt_in_ask="Möchten Sie {messages} erhalten?",
    opt_in_agree=(
        "Mit der Schaltfläche willigen Sie ein. Sie können das jederzeit hier oder über jede Nachricht widerrufen."
    ),
    opt_in_button="Ja, das möchte ich",
    opted_in_title="Danke",
    opted_in="Sie erhalten {messages}.",
    opt_in_over_title="Dieser Link ist zu alt",
    opt_in_over="Er bestätigt nichts mehr. Wenn Sie unsere Nachrichten noch möchten, fordern Sie sie bitte neu an.",
    preferences_link="Ändern, was Sie erhalten",
    preferences_title="Was Sie von uns erhalten",
    preferences_saved="Ihre Auswahl ist gespeichert.",
    preferences_always="Nachrichten, die zu einer Bestellung oder einem Vertrag gehören, kommen immer.",
    choices_title="Nachrichten",
    choices_agree=(
        "Wenn Sie ein Feld ankreuzen und speichern, willigen Sie in diese Nachrichten "
        "ein. Sie können das hier jederzeit widerrufen."
    ),
    choices_none="Im Moment gibt es nichts auszuwählen.",
    save_button="Speichern",
    pause_title="Eine Pause",
    pause_ask="Wie lange sollen wir nicht schreiben?",
    pause_days="{days} Tage",
    pause_button="Pause beginnen",
    paused_until="Wir schreiben nicht bis {when}.",
    pause_end_button="Pause beenden",
    cap_title="Wie oft",
    cap_ask="Wie oft dürfen wir höchstens schreiben?",
    cap_none="Sooft es etwas gibt",
    cap_week="Einmal in der Woche",
    cap_month="Einmal im Monat",
    cap_other="{max}-mal in {days} Tagen",
    stop_title="Nichts mehr",
    stop_ask="Widerruft sofort alles, worin Sie eingewilligt haben, auf jedem Weg.",
    stop_button="Alles beenden",
    stopped="Erledigt: Wir schreiben nicht mehr.",
    test_title="Das ist ein Test",
    test_told="Der Link stammt aus einer Testnachricht. Es wurde nichts geändert.",
    missing_title="Hier ist nichts",
    missing="Der Link ist unvollständig oder ungültig. Bitte kopieren Sie ihn noch einmal aus der Nachricht.",
    away_title="Bitte noch einmal versuchen",
    away="Wir können gerade nicht antworten. Bitte versuchen Sie es in einer Minute noch einmal.",
)
