"""The job that is measured: one e-mail with a coupon, in text and HTML, of the size that newsletters have."""

from typing import Any, Final

import msgspec

from gateway.domain.job import JobInput
from gateway.services.accept import accept, examine
from gateway.services.installation import Installation
from gateway.storage.database import Database

_PARAGRAPH: Final = (
    "It has been a while, and the shelves have changed: new pressings, old favourites, a listening room. "
)
_SUBJECT: Final = "{{ recipient.name | default('Hello') }}, {{ coupon.title }} for you"
_TEXT: Final = f"""Hello {{{{ recipient.name | default('') }}}},

{_PARAGRAPH * 8}
You like {{{{ recipient.attributes.genre | default('music') }}}}: {{{{ track('https://shop.example.com/new') }}}}

Your code: {{{{ coupon.code }}}}, until {{{{ coupon.valid_until | date }}}}.
No more of this: {{{{ unsubscribe_url }}}}
"""
_HTML: Final = f"""<!doctype html><html><body style="margin:0;font-family:sans-serif"><table role="presentation">
<tr><td><h1>Hello {{{{ recipient.name | default('') }}}}</h1>
{f'<p style="color:#222;line-height:1.5">{_PARAGRAPH * 2}</p>' * 12}
<p><a href="{{{{ track('https://shop.example.com/new') }}}}">Something new</a></p>
<p>Your code: <b>{{{{ coupon.code }}}}</b>, until {{{{ coupon.valid_until | date }}}}</p>
<p><a href="{{{{ unsubscribe_url }}}}">No more of this</a></p></td></tr></table></body></html>
"""

_REQUEST: Final[dict[str, Any]] = {
    "name": "bench",
    "purpose": "marketing",
    "offer": "bench",
    "over_cap": "skip",
    "audience": {"kind": "matching", "where": {"op": "everyone"}},
    "steps": [
        {
            "name": "mail",
            "channels": ["email"],
            "content": {"email": {"en": {"subject": _SUBJECT, "text": _TEXT, "html": _HTML}}},
        }
    ],
}


def accept_job(db: Database, house: Installation) -> int:
    """The internal id of the job, which is now waiting to be expanded."""
    examined = examine(house, msgspec.convert(_REQUEST, JobInput))
    with db.transaction() as tx:
        return accept(tx, house, "bench", examined, "job_bench").id
