"""The pages in Russian."""

from typing import Final

from gateway.api.pages.texts.shape import Texts

TEXTS: Final = Texts(
    unsubscribe_title="Отписаться",
    unsubscribe_ask="Вы больше не хотите получать {messages}?",
    unsubscribe_button="Да, отписаться",
    unsubscribed_title="Вы отписались",
    unsubscribed="Вы больше не будете получать {messages}.",
    coupon_title="Ваш купон",
    coupon_valid_until="Действует до {when}",
    coupon_valid_from="Действует с {when}",
    coupon_min_order="При заказе от {amount}",
    coupon_how="Покажите этот код на кассе или введите его при заказе онлайн.",
    coupon_once="Его можно использовать один раз.",
    coupon_uses_left="Осталось использований: {count}",
    coupon_balance="Остаток: {amount}",
    coupon_not_yet="Этот купон пока не действует.",
    coupon_redeemed="Этот купон уже использован.",
    coupon_over="Этот купон больше не действует.",
    opt_in_title="Подтвердите, пожалуйста",
    opt_in_ask="Вы хотите получать {messages}?",
    opt_in_agree=(
        "Нажимая кнопку, вы соглашаетесь. Отозвать согласие можно в любой момент здесь или из любого сообщения."
    ),
    opt_in_button="Да, хочу",
    opted_in_title="Спасибо",
    opted_in="Вы будете получать {messages}.",
    opt_in_over_title="Эта ссылка устарела",
    opt_in_over=(
        "Она больше ничего не подтверждает. Если вы всё ещё хотите получать наши сообщения, запросите их снова."
    ),
    preferences_link="Изменить, что вы получаете",
    preferences_title="Что вы от нас получаете",
    preferences_saved="Ваш выбор сохранён.",
    preferences_always="Сообщения, нужные для вашего заказа или договора, приходят всегда.",
    choices_title="Сообщения",
    choices_agree=(
        "Отмечая пункт и сохраняя, вы соглашаетесь получать эти сообщения. Отозвать "
        "согласие можно здесь в любой момент."
    ),
    choices_none="Сейчас выбирать нечего.",
    save_button="Сохранить",
    pause_title="Перерыв",
    pause_ask="Как долго нам не писать?",
    pause_days="{days} дней",
    pause_button="Начать перерыв",
    paused_until="Мы не будем писать до {when}.",
    pause_end_button="Закончить перерыв",
    cap_title="Как часто",
    cap_ask="Как часто нам можно писать?",
    cap_none="Всякий раз, когда есть что сообщить",
    cap_week="Не чаще раза в неделю",
    cap_month="Не чаще раза в месяц",
    cap_other="Сообщений: {max}, за дней: {days}",
    stop_title="Больше ничего",
    stop_ask="Сразу отзывает всё, на что вы соглашались, каким бы способом мы ни писали.",
    stop_button="Остановить всё",
    stopped="Готово: мы больше не будем писать.",
    test_title="Это проверка",
    test_told="Ссылка из проверочного сообщения. Ничего не изменилось.",
    missing_title="Здесь ничего нет",
    missing="Ссылка неполная или недействительна. Скопируйте её из сообщения ещё раз.",
    away_title="Попробуйте ещё раз",
    away="Сейчас мы не можем ответить. Попробуйте ещё раз через минуту.",
)
