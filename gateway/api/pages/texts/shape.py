"""What the pages say, without saying it in any language."""

from msgspec import Struct


class Texts(Struct, frozen=True, kw_only=True):
    """The sentences of one language. `{messages}` is what somebody gets, and how: `offers and news by e-mail`."""

    unsubscribe_title: str
    unsubscribe_ask: str
    unsubscribe_button: str
    unsubscribed_title: str
    unsubscribed: str
    coupon_title: str
    coupon_valid_until: str
    coupon_valid_from: str
    coupon_min_order: str
    coupon_how: str
    coupon_once: str
    coupon_uses_left: str
    coupon_balance: str
    coupon_not_yet: str
    coupon_redeemed: str
    coupon_over: str
    opt_in_title: str
    opt_in_ask: str
    opt_in_agree: str
    opt_in_button: str
    opted_in_title: str
    opted_in: str
    opt_in_over_title: str
    opt_in_over: str
    preferences_link: str
    preferences_title: str
    preferences_saved: str
    preferences_always: str
    choices_title: str
    choices_agree: str
    choices_none: str
    save_button: str
    pause_title: str
    pause_ask: str
    pause_days: str
    pause_button: str
    paused_until: str
    pause_end_button: str
    cap_title: str
    cap_ask: str
    cap_none: str
    cap_week: str
    cap_month: str
    cap_other: str
    stop_title: str
    stop_ask: str
    stop_button: str
    stopped: str
    test_title: str
    test_told: str
    missing_title: str
    missing: str
    away_title: str
    away: str
