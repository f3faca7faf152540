"""WhatsApp, through Meta's Cloud API or through Twilio: approved templates, filled in for each person.

A business may begin a conversation on WhatsApp with a template only that Meta has approved. So the words are Meta's to
approve, and a job brings what goes into them:

- `template`: which of the templates below, by its key.
- `variables`: what goes into {{1}}, {{2}} and so on, one a line.
- `link`: where the template's button leads, if it has one with a variable. It has to begin with the template's
  `button_prefix`, the address approved for the button: that of tracked links, {{ track("https://...") }}. Links that
  are not tracked, in test messages and for those whom a purpose may not watch, go out with the template `untracked`.

By Meta; the app's webhook is https://GATEWAY/hooks/whatsapp, subscribed to `messages` and `user_preferences`:

    [channels.whatsapp]
    provider = "meta"
    phone_number_id = "106540352242922"
    access_token = "${WHATSAPP_TOKEN}"                   # of a system user, which does not expire
    app_secrets = ["${WHATSAPP_APP_SECRET}"]             # signs what Meta tells; several while one is replaced
    verify_token = "${WHATSAPP_VERIFY_TOKEN}"            # any word; say the same one where the webhook is set up
    brands = { outlet = "106540352242923" }              # other numbers of the business

    [channels.whatsapp.templates.spring]
    name = "spring_2026"
    languages = { it = "it", en = "en_US", "*" = "en_US" }    # by the language of the message: the approved one
    variables = 2
    button_prefix = "https://gateway.example.com/c/"     # approved as https://gateway.example.com/c/{{1}}
    untracked = "spring_direct"                          # if some are not to be tracked

    [channels.whatsapp.templates.spring_direct]
    name = "spring_2026_direct"
    languages = { it = "it", en = "en_US", "*" = "en_US" }
    variables = 2
    button_prefix = "https://shop.example.com/"

By Twilio; the sender's webhook for incoming messages is https://GATEWAY/hooks/whatsapp, by POST:

    [channels.whatsapp]
    provider = "twilio"
    account_sid = "${TWILIO_ACCOUNT_SID}"
    auth_tokens = ["${TWILIO_AUTH_TOKEN}"]               # the first calls; reports signed with any are taken
    sender = "+12025550100"                              # or a messaging service, MG...
    brands = { outlet = "+12025550101" }

    [channels.whatsapp.templates.spring]
    languages = { it = "HX00000000000000000000000000000001", "*" = "HX00000000000000000000000000000002" }
    variables = 2
    button_prefix = "https://gateway.example.com/c/"     # approved as https://gateway.example.com/c/{{3}}

Whom WhatsApp does not reach keeps a good number: it is the one that SMS goes to. What people write back is a reply,
and the buttons named in `stop_buttons` mean stop. That somebody has read a message counts as opened where the purpose
lets us ask, and as delivered for the others.
"""

from .meta import MetaWhatsApp
from .twilio import TwilioWhatsApp

__all__ = ["MetaWhatsApp", "TwilioWhatsApp"]
