"""The tables. The recipient is part of every unique key of entries, sends and coupons, so that the
ledger can be partitioned by shard without a change in the services.

No index holds `sends.state`: start and record change only the state, and PostgreSQL then updates
in place (HOT). `due_at` is NULL from the claim on, `cap_at` NULL where no slot is held.

Ids that outlive their rows (in fencing tokens, attempts and messages already sent) are never given
out again: SQLite promises that only where it is told to (AUTOINCREMENT). A restored backup skips those
that were given out after it was made.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from gateway.storage.types import BigId, Instant, Json

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

recipients: Final = Table(
    "recipients",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("external_id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("locale", Text),
    Column("time_zone", Text),
    Column("zones", Text),
    Column("country", Text),
    Column("jurisdiction", Text),
    Column("attributes", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("erased_at", Instant),
    sqlite_autoincrement=True,
)

# Ids of people who were merged into another: whoever still writes to the old id means the other.
recipient_aliases: Final = Table(
    "recipient_aliases",
    metadata,
    Column("external_id", Text, nullable=False),
    Column("recipient_id", BigInteger, ForeignKey("recipients.id"), nullable=False),
    Column("merged_at", Instant, nullable=False),
    PrimaryKeyConstraint("external_id"),
    sqlite_with_rowid=False,
)
Index("ix_recipient_aliases_recipient", recipient_aliases.c.recipient_id)

# What was sent before a merge still names people by the id of that day: where its rows are now. A run of
# the old id is that many runs later under the new one.
recipient_merges: Final = Table(
    "recipient_merges",
    metadata,
    Column("old_id", BigInteger, primary_key=True, autoincrement=False),
    Column("recipient_id", BigInteger, ForeignKey("recipients.id"), nullable=False),
    Column("runs", SmallInteger, nullable=False),
    Column("merged_at", Instant, nullable=False),
)
Index("ix_recipient_merges_recipient", recipient_merges.c.recipient_id)

# What people ask of us besides consent: a pause, and a cap of their own.
preferences: Final = Table(
    "preferences",
    metadata,
    Column("recipient_id", BigInteger, primary_key=True, autoincrement=False),
    Column("paused_until", Instant),
    Column("cap_max", SmallInteger),
    Column("cap_window_us", BigInteger),
    Column("changed_at", Instant, nullable=False),
    Column("source", Text, nullable=False),
)

addresses: Final = Table(
    "addresses",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("recipient_id", BigInteger, ForeignKey("recipients.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("match_key", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("data", Json, nullable=False),
    Column("is_primary", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)
Index("ix_addresses_recipient", addresses.c.recipient_id, addresses.c.kind)
# A household shares its letter box; every other address has one owner.
Index(
    "uq_addresses_place",
    addresses.c.kind,
    addresses.c.match_key,
    unique=True,
    sqlite_where=addresses.c.kind != "postal",
    postgresql_where=addresses.c.kind != "postal",
)

consents: Final = Table(
    "consents",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("recipient_id", BigInteger, ForeignKey("recipients.id"), nullable=False),
    Column("channel", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("source", Text, nullable=False),
    Column("text_version", Text),
    Column("evidence", Json, nullable=False),
    Column("actor", Text, nullable=False),
    sqlite_autoincrement=True,
)
Index("ix_consents_recipient", consents.c.recipient_id, consents.c.at)

consent_states: Final = Table(
    "consent_states",
    metadata,
    Column("recipient_id", BigInteger, nullable=False),
    Column("channel", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("at", Instant, nullable=False),
    PrimaryKeyConstraint("recipient_id", "channel", "purpose"),
    sqlite_with_rowid=False,
)

# Double opt-in: what was asked, and until when it may be confirmed. The ledger holds what follows.
opt_ins: Final = Table(
    "opt_ins",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("recipient_id", BigInteger, ForeignKey("recipients.id"), nullable=False),
    Column("channel", Text, nullable=False),
    Column("purposes", Json, nullable=False),
    Column("address_hash", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("text_version", Text),
    Column("evidence", Json, nullable=False),
    Column("actor", Text, nullable=False),
    Column("requested_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("confirmed_at", Instant),
    sqlite_autoincrement=True,
)
Index("ix_opt_ins_address", opt_ins.c.address_hash, opt_ins.c.requested_at)
Index("ix_opt_ins_recipient", opt_ins.c.recipient_id)

# What an opposition register said of an address. `valid_until` passed is as if it was never asked.
screenings: Final = Table(
    "screenings",
    metadata,
    Column("register", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("is_listed", Boolean, nullable=False),
    Column("screened_at", Instant, nullable=False),
    Column("valid_until", Instant, nullable=False),
    PrimaryKeyConstraint("kind", "hash", "register"),
    sqlite_with_rowid=False,
)

# With `until` an address only rests: from then on it is as if the row was not there.
suppressions: Final = Table(
    "suppressions",
    metadata,
    Column("kind", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("until", Instant),
    PrimaryKeyConstraint("kind", "hash"),
    sqlite_with_rowid=False,
)
Index(
    "ix_suppressions_until",
    suppressions.c.until,
    sqlite_where=suppressions.c.until.is_not(None),
    postgresql_where=suppressions.c.until.is_not(None),
)

# Messages to an address that bounced one after the other, for a reason that may pass.
soft_bounces: Final = Table(
    "soft_bounces",
    metadata,
    Column("kind", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("bounces", SmallInteger, nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    PrimaryKeyConstraint("kind", "hash"),
    sqlite_with_rowid=False,
)
Index("ix_soft_bounces_last", soft_bounces.c.last_at)

activities: Final = Table(
    "activities",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("recipient_id", BigInteger, ForeignKey("recipients.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("external_id", Text, nullable=False, unique=True),
    Column("amount_minor", BigInteger),
    Column("currency", Text),
    Column("data", Json, nullable=False),
)
Index("ix_activities_recipient", activities.c.recipient_id, activities.c.kind, activities.c.at)

contents: Final = Table(
    "contents",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
)

# `latest` is the number of the newest version, `approved` that of the newest one that was approved.
templates: Final = Table(
    "templates",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("channel", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("latest", SmallInteger, nullable=False),
    Column("approved", SmallInteger),
    Column("created_at", Instant, nullable=False),
    Column("archived_at", Instant),
)

template_versions: Final = Table(
    "template_versions",
    metadata,
    Column("template_id", BigInteger, ForeignKey("templates.id"), nullable=False),
    Column("number", SmallInteger, nullable=False),
    Column("content", Text, nullable=False),
    Column("default_locale", Text, nullable=False),
    Column("brand", Text),
    Column("author", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("approved_by", Text),
    Column("approved_at", Instant),
    PrimaryKeyConstraint("template_id", "number"),
    sqlite_with_rowid=False,
)

# `used` and `spent_minor` are what the redemptions of an offer come to, less what was taken back.
offers: Final = Table(
    "offers",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("used", BigInteger, nullable=False),
    Column("spent_minor", BigInteger, nullable=False),
)

# A partner's codes, given out in the order in which they came. Who has which, the coupons say.
pool_codes: Final = Table(
    "pool_codes",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("offer_id", BigInteger, ForeignKey("offers.id"), nullable=False),
    Column("code", Text, nullable=False, unique=True),
    Column("shown", Text, nullable=False),
    Column("imported_at", Instant, nullable=False),
    Column("taken_at", Instant),
)
Index("ix_pool_codes_offer", pool_codes.c.offer_id)
Index(
    "ix_pool_codes_free",
    pool_codes.c.offer_id,
    pool_codes.c.id,
    sqlite_where=pool_codes.c.taken_at.is_(None),
    postgresql_where=pool_codes.c.taken_at.is_(None),
)

# Of each pool, what was told of its stock last: nothing, that it is low, or that it is empty.
pools: Final = Table(
    "pools",
    metadata,
    Column("offer_id", BigInteger, ForeignKey("offers.id"), primary_key=True, autoincrement=False),
    Column("told", Text),
)

jobs: Final = Table(
    "jobs",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("public_id", Text, nullable=False, unique=True),
    Column("client", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("lane", SmallInteger, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("spec", LargeBinary, nullable=False),
    Column("cursor", BigInteger, nullable=False),
    Column("accepted_at", Instant, nullable=False),
    Column("start_at", Instant, nullable=False),
    Column("expanded_at", Instant),
    Column("ended_at", Instant),
    sqlite_autoincrement=True,
)
Index("ix_jobs_state", jobs.c.state, jobs.c.start_at)

job_audiences: Final = Table(
    "job_audiences",
    metadata,
    Column("job_id", BigInteger, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)

job_rejects: Final = Table(
    "job_rejects",
    metadata,
    Column("job_id", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    PrimaryKeyConstraint("job_id", "position"),
)

entries: Final = Table(
    "entries",
    metadata,
    Column("job_id", BigInteger, nullable=False),
    Column("recipient_id", BigInteger, nullable=False),
    Column("entered_at", Instant, nullable=False),
    Column("next_at", Instant),
    Column("sent_at", Instant),
    Column("ended_at", Instant),
    Column("run", SmallInteger, nullable=False),
    Column("shard", SmallInteger, nullable=False),
    Column("step", SmallInteger, nullable=False),
    Column("route", SmallInteger, nullable=False),
    Column("next_step", SmallInteger),
    Column("arm", Text, nullable=False),
    Column("ended", Text),
    Column("segment", Text),
    Column("offer_id", BigInteger),
    Column("variables", Json),
    PrimaryKeyConstraint("job_id", "recipient_id", "run"),
    sqlite_with_rowid=False,
)
Index("ix_entries_recipient", entries.c.recipient_id)
Index(
    "ix_entries_next",
    entries.c.shard,
    entries.c.next_at,
    sqlite_where=entries.c.next_at.is_not(None),
    postgresql_where=entries.c.next_at.is_not(None),
)
Index(
    "ix_entries_active",
    entries.c.job_id,
    sqlite_where=entries.c.ended.is_(None),
    postgresql_where=entries.c.ended.is_(None),
)

sends: Final = Table(
    "sends",
    metadata,
    Column("job_id", BigInteger, nullable=False),
    Column("recipient_id", BigInteger, nullable=False),
    Column("due_at", Instant),
    Column("cap_at", Instant),
    Column("expires_at", Instant),
    Column("changed_at", Instant, nullable=False),
    Column("claim_id", BigInteger),
    Column("run", SmallInteger, nullable=False),
    Column("step", SmallInteger, nullable=False),
    Column("shard", SmallInteger, nullable=False),
    Column("lane", SmallInteger, nullable=False),
    Column("tries", SmallInteger, nullable=False),
    Column("channel", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("trace", Text),
    PrimaryKeyConstraint("job_id", "recipient_id", "run", "step", "channel"),
    sqlite_with_rowid=False,
    postgresql_with={"fillfactor": 80},
)
Index(
    "ix_sends_due",
    sends.c.channel,
    sends.c.shard,
    sends.c.lane,
    sends.c.due_at,
    sqlite_where=sends.c.due_at.is_not(None),
    postgresql_where=sends.c.due_at.is_not(None),
)
Index(
    "ix_sends_cap",
    sends.c.recipient_id,
    sends.c.cap_at,
    sends.c.channel,
    sends.c.purpose,
    sqlite_where=sends.c.cap_at.is_not(None),
    postgresql_where=sends.c.cap_at.is_not(None),
)

claims: Final = Table(
    "claims",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("channel", Text, nullable=False),
    Column("shard", SmallInteger, nullable=False),
    Column("worker", Text, nullable=False),
    Column("lease_until", Instant, nullable=False),
    Column("members", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

# Sends that came to be in doubt. Whether one still is, its state says: what was settled leaves its row for a while.
doubts: Final = Table(
    "doubts",
    metadata,
    Column("job_id", BigInteger, nullable=False),
    Column("recipient_id", BigInteger, nullable=False),
    Column("run", SmallInteger, nullable=False),
    Column("step", SmallInteger, nullable=False),
    Column("channel", Text, nullable=False),
    Column("since", Instant, nullable=False),
    Column("machine_since", Instant, nullable=False),
    Column("ask_at", Instant),
    Column("asked", SmallInteger, nullable=False),
    Column("alerted_at", Instant),
    PrimaryKeyConstraint("job_id", "recipient_id", "run", "step", "channel"),
    sqlite_with_rowid=False,
)

attempts: Final = Table(
    "attempts",
    metadata,
    Column("job_id", BigInteger, nullable=False),
    Column("recipient_id", BigInteger, nullable=False),
    Column("claim_id", BigInteger, nullable=False),
    Column("address_id", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
    Column("run", SmallInteger, nullable=False),
    Column("step", SmallInteger, nullable=False),
    Column("channel", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("provider_id", Text),
    Column("code", Text),
    Column("detail", Text),
    PrimaryKeyConstraint("job_id", "recipient_id", "run", "step", "channel", "address_id", "claim_id"),
    sqlite_with_rowid=False,
)
Index(
    "ix_attempts_provider",
    attempts.c.provider_id,
    sqlite_where=attempts.c.provider_id.is_not(None),
    postgresql_where=attempts.c.provider_id.is_not(None),
)

events: Final = Table(
    "events",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("recipient_id", BigInteger, nullable=False),
    Column("job_id", BigInteger),
    Column("run", SmallInteger),
    Column("step", SmallInteger),
    Column("channel", Text),
    Column("type", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("dedupe_key", Text),
    Column("code", Text),
    Column("detail", Text),
    Column("data", Json),
)
Index("ix_events_recipient", events.c.recipient_id, events.c.at)
Index("ix_events_job", events.c.job_id, events.c.type)
Index(
    "ix_events_yielded",
    events.c.at,
    sqlite_where=events.c.type == "yielded",
    postgresql_where=events.c.type == "yielded",
)
Index(
    "ix_events_returned",
    events.c.at,
    sqlite_where=events.c.type == "returned",
    postgresql_where=events.c.type == "returned",
)
Index(
    "uq_events_dedupe",
    events.c.dedupe_key,
    unique=True,
    sqlite_where=events.c.dedupe_key.is_not(None),
    postgresql_where=events.c.dedupe_key.is_not(None),
)

# What people write back. The recipient is NULL where nobody has the address; the send is the one it answers, if known.
replies: Final = Table(
    "replies",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("recipient_id", BigInteger),
    Column("channel", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("address_hash", Text),
    Column("event_id", Text, nullable=False),
    Column("job_id", BigInteger),
    Column("run", SmallInteger),
    Column("step", SmallInteger),
    Column("text", Text),
    Column("intent", Text),
    Column("answered", Boolean, nullable=False),
    Column("needs_review", Boolean, nullable=False),
    Column("at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("reviewed_at", Instant),
    Column("reviewed_by", Text),
    UniqueConstraint("channel", "event_id"),
    sqlite_autoincrement=True,
)
Index(
    "ix_replies_recipient",
    replies.c.recipient_id,
    sqlite_where=replies.c.recipient_id.is_not(None),
    postgresql_where=replies.c.recipient_id.is_not(None),
)
Index("ix_replies_address", replies.c.address_hash)
Index("ix_replies_review", replies.c.id, sqlite_where=replies.c.needs_review, postgresql_where=replies.c.needs_review)
Index(
    "ix_replies_text",
    replies.c.recorded_at,
    sqlite_where=replies.c.text.is_not(None),
    postgresql_where=replies.c.text.is_not(None),
)

# Codes in place of long tracked links, for channels that pay by the character.
short_links: Final = Table(
    "short_links",
    metadata,
    Column("job_id", BigInteger, nullable=False),
    Column("recipient_id", BigInteger, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("run", SmallInteger, nullable=False),
    Column("step", SmallInteger, nullable=False),
    Column("link", SmallInteger, nullable=False),
    Column("channel", Text, nullable=False),
    Column("code", Text, nullable=False, unique=True),
    PrimaryKeyConstraint("job_id", "recipient_id", "run", "step", "channel", "link"),
    sqlite_with_rowid=False,
)
Index("ix_short_links_made", short_links.c.made_at)

parked_events: Final = Table(
    "parked_events",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("channel", Text, nullable=False),
    Column("provider_id", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("received_at", Instant, nullable=False),
    UniqueConstraint("channel", "event_id"),
)
Index("ix_parked_events_provider", parked_events.c.provider_id)

# `balance` is what is left: uses, or minor units where an amount is drawn down. Without `activated_at` a code is
# printed and not mailed yet. `redeemed_at` is the first use that stands. `hold` keeps others out until `held_until`.
coupons: Final = Table(
    "coupons",
    metadata,
    Column("job_id", BigInteger, nullable=False),
    Column("recipient_id", BigInteger, nullable=False),
    Column("offer_id", BigInteger, nullable=False),
    Column("run", SmallInteger, nullable=False),
    Column("code", Text, nullable=False, unique=True),
    Column("shown", Text, nullable=False),
    Column("balance", BigInteger, nullable=False),
    Column("valid_from", Instant, nullable=False),
    Column("valid_until", Instant),
    Column("published_at", Instant, nullable=False),
    Column("activated_at", Instant),
    Column("redeemed_at", Instant),
    Column("void_at", Instant),
    Column("held_until", Instant),
    Column("hold", Text),
    PrimaryKeyConstraint("job_id", "recipient_id", "run", "offer_id"),
    sqlite_with_rowid=False,
)
Index("ix_coupons_offer", coupons.c.offer_id, coupons.c.job_id)

# The uses of coupons, and what took them back: a row of its own that `reverses` another, with every figure negative.
# `at` is when a coupon was used, `recorded_at` when we heard of it. `amount` is in the units of the coupon's balance.
# `step`, `channel` and `segment` are those of the last message that was sent before; `too_late` counts those that
# could not be stopped any more.
redemptions: Final = Table(
    "redemptions",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("public_id", Text, nullable=False, unique=True),
    Column("code", Text, nullable=False),
    Column("offer_id", BigInteger, nullable=False),
    Column("job_id", BigInteger, nullable=False),
    Column("recipient_id", BigInteger, nullable=False),
    Column("run", SmallInteger, nullable=False),
    Column("step", SmallInteger),
    Column("channel", Text),
    Column("segment", Text),
    Column("at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("balance_after", BigInteger, nullable=False),
    Column("discount_minor", BigInteger),
    Column("order_id", Text),
    Column("order_minor", BigInteger),
    Column("margin_minor", BigInteger),
    Column("currency", Text),
    Column("products", Json),
    Column("place", Text),
    Column("till", Text),
    Column("client", Text, nullable=False),
    Column("too_late", SmallInteger, nullable=False),
    Column("reverses", Text, unique=True),
    Column("reason", Text),
)
Index("ix_redemptions_job", redemptions.c.job_id)
Index("ix_redemptions_recipient", redemptions.c.recipient_id, redemptions.c.offer_id)
Index("ix_redemptions_code", redemptions.c.code)
Index(
    "ix_redemptions_order",
    redemptions.c.order_id,
    sqlite_where=redemptions.c.order_id.is_not(None),
    postgresql_where=redemptions.c.order_id.is_not(None),
)

# `planned_at` is the mailing as the files say it, from the close on; `mailing_at` moves at the hand-over. `files` are
# the papers; those of the parts are with the parts.
# What tills without a network say of uses, each line once. A line that came with other content is a row beside it.
# `ending` is the end of the code as it was typed. `redemption` is what came of it, `stands` the use that was there
# before it; `is_earlier` where the till's was the earlier of the two.
till_lines: Final = Table(
    "till_lines",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("client", Text, nullable=False),
    Column("till", Text, nullable=False),
    Column("line", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("ending", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("detail", Text),
    Column("redemption", Text),
    Column("stands", Text),
    Column("is_earlier", Boolean, nullable=False),
    UniqueConstraint("client", "till", "line", "fingerprint"),
    sqlite_autoincrement=True,
)
Index(
    "ix_till_lines_conflicts",
    till_lines.c.id,
    sqlite_where=till_lines.c.outcome != "redeemed",
    postgresql_where=till_lines.c.outcome != "redeemed",
)
Index("ix_till_lines_redemption", till_lines.c.redemption)
Index("ix_till_lines_stands", till_lines.c.stands)

batches: Final = Table(
    "batches",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("public_id", Text, nullable=False, unique=True),
    Column("channel", Text, nullable=False),
    Column("job_id", BigInteger, nullable=False),
    Column("step", SmallInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("cut_off_at", Instant),
    Column("mailing_at", Instant, nullable=False),
    Column("planned_at", Instant),
    Column("closed_at", Instant),
    Column("sifted_at", Instant),
    Column("exported_at", Instant),
    Column("handed_over_at", Instant),
    Column("mailed_at", Instant),
    Column("folder", Text),
    Column("files", Json),
    Column("totals", Json),
    Column("files_removed_at", Instant),
    Column("files_removed_why", Text),
)
Index("ix_batches_state", batches.c.state)
Index(
    "uq_batches_open",
    batches.c.job_id,
    batches.c.step,
    batches.c.channel,
    unique=True,
    sqlite_where=batches.c.state == "open",
    postgresql_where=batches.c.state == "open",
)

# A part that was written is sealed: its pieces keep their numbers. `seeds` names the pieces that are nobody's.
batch_parts: Final = Table(
    "batch_parts",
    metadata,
    Column("batch_id", BigInteger, ForeignKey("batches.id"), nullable=False),
    Column("number", SmallInteger, nullable=False),
    Column("first_sequence", BigInteger, nullable=False),
    Column("last_sequence", BigInteger, nullable=False),
    Column("seeds", Json, nullable=False),
    Column("files", Json, nullable=False),
    Column("written_at", Instant, nullable=False),
    Column("mailed_at", Instant),
    Column("voided_at", Instant),
    PrimaryKeyConstraint("batch_id", "number"),
    sqlite_with_rowid=False,
)

# `address_id` is the address that was printed; `pulled_at` when a printed piece came on the pull list.
batch_items: Final = Table(
    "batch_items",
    metadata,
    Column("batch_id", BigInteger, nullable=False),
    Column("job_id", BigInteger, nullable=False),
    Column("recipient_id", BigInteger, nullable=False),
    Column("run", SmallInteger, nullable=False),
    Column("step", SmallInteger, nullable=False),
    Column("sequence", BigInteger),
    Column("address_id", BigInteger),
    Column("household", Text),
    Column("pulled_at", Instant),
    Column("pulled_why", Text),
    PrimaryKeyConstraint("batch_id", "job_id", "recipient_id", "run", "step"),
    sqlite_with_rowid=False,
)
Index(
    "ix_batch_items_sequence",
    batch_items.c.batch_id,
    batch_items.c.sequence,
    unique=True,
    sqlite_where=batch_items.c.sequence.is_not(None),
    postgresql_where=batch_items.c.sequence.is_not(None),
)
Index(
    "ix_batch_items_household",
    batch_items.c.household,
    sqlite_where=batch_items.c.household.is_not(None),
    postgresql_where=batch_items.c.household.is_not(None),
)
Index("ix_batch_items_send", batch_items.c.job_id, batch_items.c.recipient_id)

idempotency: Final = Table(
    "idempotency",
    metadata,
    Column("client", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    PrimaryKeyConstraint("client", "route", "key"),
    sqlite_with_rowid=False,
)
Index("ix_idempotency_created", idempotency.c.created_at)

api_keys: Final = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("client", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("scopes", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
)

# `held_by` says who paused a channel: a person, a fault, or a restored backup. Faults are asked again at `check_at`.
# `trying` is there while a channel rests after its faults: 0, or the claim whose one message tries it out.
channel_states: Final = Table(
    "channel_states",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("paused_at", Instant),
    Column("held_by", Text),
    Column("reason", Text),
    Column("paced_until", Instant),
    Column("check_at", Instant),
    Column("checks", SmallInteger, nullable=False, server_default=text("0")),
    Column("faults", SmallInteger, nullable=False, server_default=text("0")),
    Column("trying", BigInteger),
)

# What became of the messages of a sender (a channel, written as a brand or, where that is empty, as itself), by the
# hour in which they were accepted. An hour in which a person released the sender is two: before, and from `hour` on.
# The stripes are there so that workers seldom wait for each other's rows; every reader adds them up.
sender_hours: Final = Table(
    "sender_hours",
    metadata,
    Column("channel", Text, nullable=False),
    Column("brand", Text, nullable=False),
    Column("hour", Instant, nullable=False),
    Column("stripe", SmallInteger, nullable=False),
    Column("accepted", BigInteger, nullable=False),
    Column("delivered", BigInteger, nullable=False),
    Column("bounced", BigInteger, nullable=False),
    Column("gone", BigInteger, nullable=False),
    Column("blocked", BigInteger, nullable=False),
    Column("complained", BigInteger, nullable=False),
    PrimaryKeyConstraint("channel", "brand", "hour", "stripe"),
    sqlite_with_rowid=False,
)
Index("ix_sender_hours_hour", sender_hours.c.hour)

# What was made of those numbers. `held_for` is the trouble for which the sender is held, `alerts` those that somebody
# was told of and that last. What was accepted before `released_at` is judged no more.
senders: Final = Table(
    "senders",
    metadata,
    Column("channel", Text, nullable=False),
    Column("brand", Text, nullable=False),
    Column("held_at", Instant),
    Column("held_for", Text),
    Column("alerts", Text, nullable=False, server_default=text("''")),
    Column("released_at", Instant),
    Column("released_by", Text),
    PrimaryKeyConstraint("channel", "brand"),
    sqlite_with_rowid=False,
)

# The pace of a job or a channel, shared by all processes: when the next message would conform (GCRA).
paces: Final = Table(
    "paces",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("next_at", Instant, nullable=False),
)

processes: Final = Table(
    "processes",
    metadata,
    Column("name", Text, primary_key=True),
    Column("parts", Json, nullable=False),
    Column("version", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
)

audit: Final = Table(
    "audit",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Json, nullable=False),
    sqlite_autoincrement=True,
)
Index("ix_audit_subject", audit.c.subject, audit.c.id)

policy_versions: Final = Table(
    "policy_versions",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("in_force_at", Instant, nullable=False),
)

endpoints: Final = Table(
    "endpoints",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("public_id", Text, nullable=False, unique=True),
    Column("client", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("types", Json, nullable=False),
    Column("secrets", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("created_at", Instant, nullable=False),
    Column("failing_since", Instant),
    Column("rest_until", Instant),
)

# `body` names by internal ids: who is erased is erased here too. `due_at` is NULL for what needs no further try.
notices: Final = Table(
    "notices",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("public_id", Text, nullable=False),
    Column("endpoint_id", BigInteger, ForeignKey("endpoints.id"), nullable=False),
    Column("type", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("due_at", Instant),
    Column("tries", SmallInteger, nullable=False),
    Column("status", SmallInteger),
    Column("error", Text),
    Column("answered_at", Instant),
    UniqueConstraint("endpoint_id", "public_id"),
    sqlite_autoincrement=True,
)
Index(
    "ix_notices_due",
    notices.c.endpoint_id,
    notices.c.due_at,
    sqlite_where=notices.c.due_at.is_not(None),
    postgresql_where=notices.c.due_at.is_not(None),
)
Index("ix_notices_endpoint", notices.c.endpoint_id, notices.c.id)

leases: Final = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", Instant, nullable=False),
)

business_clock: Final = Table(
    "business_clock",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("offset_us", BigInteger, nullable=False),
)
