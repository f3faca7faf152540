"""The pages in Spanish."""

from typing import Final

from gateway.api.pages.texts.shape import Texts

TEXTS: Final = Texts(
    unsubscribe_title="Darse de baja",
    unsubscribe_ask="¿Ya no quiere recibir {messages}?",
    unsubscribe_button="Sí, darme de baja",
    unsubscribed_title="Se ha dado de baja",
    unsubscribed="Ya no recibirá {messages}.",
    coupon_title="Su cupón",
    coupon_valid_until="Válido hasta el {when}",
    coupon_valid_from="Válido desde el {when}",
    coupon_min_order="A partir de un pedido de {amount}",
    coupon_how="Muestre este código en la caja o escríbalo al comprar en línea.",
    coupon_once="Solo se puede usar una vez.",
    coupon_uses_left="Usos restantes: {count}",
    coupon_balance="Saldo restante: {amount}",
    coupon_not_yet="Este cupón todavía no es válido.",
    coupon_redeemed="Este cupón ya se ha usado.",
    coupon_over="Este cupón ya no es válido.",
    opt_in_title="Confirme, por favor",
    opt_in_ask="¿Quiere recibir {messages}?",
    opt_in_agree=(
        "Con el botón da su consentimiento. Puede retirarlo en cualquier momento, aquí o desde cualquier mensaje."
    ),
    opt_in_button="Sí, lo quiero",
    opted_in_title="Gracias",
    opted_in="Recibirá {messages}.",
    opt_in_over_title="Este enlace es demasiado antiguo",
    opt_in_over="Ya no confirma nada. Si todavía quiere nuestros mensajes, pídalos de nuevo.",
    preferences_link="Cambiar lo que recibe",
    preferences_title="Lo que recibe de nosotros",
    preferences_saved="Sus opciones se han guardado.",
    preferences_always="Los mensajes necesarios para un pedido o un contrato suyo llegan siempre.",
    choices_title="Mensajes",
    choices_agree=(
        "Al marcar una casilla y guardar, acepta recibir estos mensajes. "
        "Puede retirar su consentimiento aquí en cualquier momento."
    ),
    choices_none="Por ahora no hay nada que elegir.",
    save_button="Guardar",
    pause_title="Una pausa",
    pause_ask="¿Durante cuánto tiempo no debemos escribirle?",
    pause_days="{days} días",
    pause_button="Empezar la pausa",
    paused_until="No le escribiremos hasta el {when}.",
    pause_end_button="Terminar la pausa",
    cap_title="Con qué frecuencia",
    cap_ask="¿Con qué frecuencia podemos escribirle como máximo?",
    cap_none="Siempre que haya algo",
    cap_week="Una vez por semana",
    cap_month="Una vez al mes",
    cap_other="{max} veces en {days} días",
    stop_title="Nada más",
    stop_ask="Retira de inmediato todo lo que aceptó, por cualquier vía.",
    stop_button="Detener todo",
    stopped="Hecho: no le escribiremos más.",
    test_title="Esto es una prueba",
    test_told="El enlace es de un mensaje de prueba. No se ha cambiado nada.",
    missing_title="Aquí no hay nada",
    missing="El enlace está incompleto o no es válido. Cópielo de nuevo del mensaje.",
    away_title="Inténtelo de nuevo",
    away="No podemos responder en este momento. Inténtelo de nuevo dentro de un minuto.",
)
