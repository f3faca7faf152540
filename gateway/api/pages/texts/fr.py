"""The pages in French."""

from typing import Final

from gateway.api.pages.texts.shape import Texts

TEXTS: Final = Texts(
    unsubscribe_title="Se désabonner",
    unsubscribe_ask="Ne souhaitez-vous plus recevoir {messages} ?",
    unsubscribe_button="Oui, me désabonner",
    unsubscribed_title="Vous êtes désabonné(e)",
    unsubscribed="Vous ne recevrez plus {messages}.",
    coupon_title="Votre bon",
    coupon_valid_until="Valable jusqu’au {when}",
    coupon_valid_from="Valable à partir du {when}",
    coupon_min_order="À partir d’une commande de {amount}",
    coupon_how="Présentez ce code en caisse ou saisissez-le lors de votre commande en ligne.",
    coupon_once="Il ne sert qu’une fois.",
    coupon_uses_left="Utilisations restantes : {count}",
    coupon_balance="Solde restant : {amount}",
    coupon_not_yet="Ce bon n’est pas encore valable.",
    coupon_redeemed="Ce bon a déjà été utilisé.",
    coupon_over="Ce bon n’est plus valable.",
    opt_in_title="Merci de confirmer",
    opt_in_ask="Souhaitez-vous recevoir {messages} ?",
    opt_in_agree=(
        "Avec ce bouton, vous donnez votre accord. Vous pouvez le retirer à tout moment, ici ou depuis chaque message."
    ),
    opt_in_button="Oui, je le souhaite",
    opted_in_title="Merci",
    opted_in="Vous recevrez {messages}.",
    opt_in_over_title="Ce lien est trop ancien",
    opt_in_over="Il ne confirme plus rien. Si vous souhaitez toujours nos messages, demandez-les à nouveau.",
    preferences_link="Modifier ce que vous recevez",
    preferences_title="Ce que vous recevez de nous",
    preferences_saved="Vos choix sont enregistrés.",
    preferences_always="Les messages nécessaires à une commande ou à un contrat arrivent toujours.",
    choices_title="Messages",
    choices_agree=(
        "En cochant une case et en enregistrant, vous acceptez de recevoir ces messages. "
        "Vous pouvez retirer votre accord ici à tout moment."
    ),
    choices_none="Il n’y a rien à choisir pour le moment.",
    save_button="Enregistrer",
    pause_title="Une pause",
    pause_ask="Pendant combien de temps ne devons-nous pas écrire ?",
    pause_days="{days} jours",
    pause_button="Commencer la pause",
    paused_until="Nous n’écrirons pas avant le {when}.",
    pause_end_button="Terminer la pause",
    cap_title="Combien de fois",
    cap_ask="Combien de fois pouvons-nous écrire au plus ?",
    cap_none="Chaque fois qu’il y a du nouveau",
    cap_week="Une fois par semaine",
    cap_month="Une fois par mois",
    cap_other="{max} fois en {days} jours",
    stop_title="Plus rien",
    stop_ask="Retire aussitôt tous vos accords, quelle que soit la voie.",
    stop_button="Tout arrêter",
    stopped="C’est fait : nous n’écrirons plus.",
    test_title="Ceci est un test",
    test_told="Ce lien vient d’un message de test. Rien n’a été modifié.",
    missing_title="Il n’y a rien ici",
    missing="Ce lien est incomplet ou n’est pas valable. Copiez-le à nouveau depuis le message.",
    away_title="Veuillez réessayer",
    away="Nous ne pouvons pas répondre pour le moment. Veuillez réessayer dans une minute.",
)
