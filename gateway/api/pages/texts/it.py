"""The pages in Italian."""

from typing import Final

from gateway.api.pages.texts.shape import Texts

TEXTS: Final = Texts(
    unsubscribe_title="Annulla l’iscrizione",
    unsubscribe_ask="Non vuoi più ricevere {messages}?",
    unsubscribe_button="Sì, annulla l’iscrizione",
    unsubscribed_title="Iscrizione annullata",
    unsubscribed="Non riceverai più {messages}.",
    coupon_title="Il tuo buono",
    coupon_valid_until="Valido fino al {when}",
    coupon_valid_from="Valido dal {when}",
    coupon_min_order="A partire da un ordine di {amount}",
    coupon_how="Mostra questo codice alla cassa o inseriscilo quando ordini online. Si può usare una volta sola.",
    coupon_redeemed="Questo buono è già stato usato.",
    coupon_over="Questo buono non è più valido.",
    opt_in_title="Conferma la tua richiesta",
    opt_in_ask="Vuoi ricevere {messages}?",
    opt_in_agree="Con il pulsante dai il tuo consenso. Puoi revocarlo in ogni momento, qui o da qualsiasi messaggio.",
    opt_in_button="Sì, lo voglio",
    opted_in_title="Grazie",
    opted_in="Riceverai {messages}.",
    opt_in_over_title="Questo link è troppo vecchio",
    opt_in_over="Non conferma più nulla. Se desideri ancora i nostri messaggi, richiedili di nuovo.",
    preferences_link="Cambia ciò che ricevi",
    preferences_title="Che cosa ricevi da noi",
    preferences_saved="Le tue scelte sono salvate.",
    preferences_always="I messaggi necessari per un tuo ordine o contratto arrivano sempre.",
    choices_title="Messaggi",
    choices_agree=(
        "Selezionando una casella e salvando acconsenti a ricevere questi messaggi. "
        "Puoi revocare il consenso qui in ogni momento."
    ),
    choices_none="Al momento non c’è nulla da scegliere.",
    save_button="Salva",
    pause_title="Una pausa",
    pause_ask="Per quanto tempo non dobbiamo scriverti?",
    pause_days="{days} giorni",
    pause_button="Inizia la pausa",
    paused_until="Non ti scriveremo fino al {when}.",
    pause_end_button="Termina la pausa",
    cap_title="Quanto spesso",
    cap_ask="Quanto spesso possiamo scriverti al massimo?",
    cap_none="Ogni volta che c’è qualcosa",
    cap_week="Una volta alla settimana",
    cap_month="Una volta al mese",
    cap_other="{max} volte in {days} giorni",
    stop_title="Più nulla",
    stop_ask="Revoca subito tutto ciò a cui hai acconsentito, con qualsiasi mezzo.",
    stop_button="Ferma tutto",
    stopped="Fatto: non ti scriveremo più.",
    missing_title="Qui non c’è nulla",
    missing="Il link è incompleto o non valido. Copialo di nuovo dal messaggio.",
    away_title="Riprova",
    away="In questo momento non possiamo rispondere. Riprova tra un minuto.",
)
