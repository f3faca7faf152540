"""Every table of the first release.

Written out, and resting on nothing of ours: `gateway.storage.tables` goes on, a revision stays what it was.
"""

from typing import Any, Final

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy.dialects import postgresql

revision: Final = "0001"
down_revision: Final = None

TEXT: Final = sa.Text()
BOOLEAN: Final = sa.Boolean()
BYTES: Final = sa.LargeBinary()
SMALL: Final = sa.SmallInteger()
BIG: Final = sa.BigInteger()
# SQLite counts up only a column that is spelled INTEGER PRIMARY KEY.
BIG_ID: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Microseconds since 1970 (UTC).
INSTANT: Final = sa.BigInteger()
JSON: Final = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade(op: Operations) -> None:
    _people(op)
    _places(op)
    _consents(op)
    _jobs(op)
    _library(op)
    _ledger(op)
    _tries(op)
    _events(op)
    _answers(op)
    _standing(op)
    _pools(op)
    _coupons(op)
    _batches(op)
    _callers(op)
    _notices(op)
    _machinery(op)


def _required(kind: Any, *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names]


def _optional(kind: Any, *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind) for name in names]


def _only(condition: str) -> dict[str, Any]:
    """What an index is limited to, spelled for both databases."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _people(op: Operations) -> None:
    op.create_table(
        "recipients",
        *_required(BIG_ID, "id"),
        *_required(TEXT, "external_id", "name"),
        *_optional(TEXT, "locale", "time_zone", "zones", "country", "jurisdiction"),
        *_required(JSON, "attributes"),
        *_required(INSTANT, "created_at", "updated_at"),
        *_optional(INSTANT, "erased_at"),
        sa.PrimaryKeyConstraint("id", name="pk_recipients"),
        sa.UniqueConstraint("external_id", name="uq_recipients_external_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "recipient_aliases",
        *_required(TEXT, "external_id"),
        *_required(BIG, "recipient_id"),
        *_required(INSTANT, "merged_at"),
        sa.PrimaryKeyConstraint("external_id", name="pk_recipient_aliases"),
        sa.ForeignKeyConstraint(
            ["recipient_id"], ["recipients.id"], name="fk_recipient_aliases_recipient_id_recipients"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_recipient_aliases_recipient", "recipient_aliases", ["recipient_id"])
    op.create_table(
        "recipient_merges",
        sa.Column("old_id", BIG, autoincrement=False, nullable=False),
        *_required(BIG, "recipient_id"),
        *_required(SMALL, "runs"),
        *_required(INSTANT, "merged_at"),
        sa.PrimaryKeyConstraint("old_id", name="pk_recipient_merges"),
        sa.ForeignKeyConstraint(
            ["recipient_id"], ["recipients.id"], name="fk_recipient_merges_recipient_id_recipients"
        ),
    )
    op.create_index("ix_recipient_merges_recipient", "recipient_merges", ["recipient_id"])
    op.create_table(
        "preferences",
        sa.Column("recipient_id", BIG, autoincrement=False, nullable=False),
        *_optional(INSTANT, "paused_until"),
        *_optional(SMALL, "cap_max"),
        *_optional(BIG, "cap_window_us"),
        *_required(INSTANT, "changed_at"),
        *_required(TEXT, "source"),
        sa.PrimaryKeyConstraint("recipient_id", name="pk_preferences"),
    )


def _places(op: Operations) -> None:
    op.create_table(
        "addresses",
        *_required(BIG_ID, "id"),
        *_required(BIG, "recipient_id"),
        *_required(TEXT, "kind", "value", "match_key", "hash"),
        *_required(JSON, "data"),
        *_required(BOOLEAN, "is_primary"),
        *_required(INSTANT, "created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_addresses"),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name="fk_addresses_recipient_id_recipients"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_addresses_recipient", "addresses", ["recipient_id", "kind"])
    op.create_index("uq_addresses_place", "addresses", ["kind", "match_key"], unique=True, **_only("kind != 'postal'"))
    op.create_table(
        "activities",
        *_required(BIG_ID, "id"),
        *_required(BIG, "recipient_id"),
        *_required(TEXT, "kind"),
        *_required(INSTANT, "at"),
        *_required(TEXT, "external_id"),
        *_optional(BIG, "amount_minor"),
        *_optional(TEXT, "currency"),
        *_required(JSON, "data"),
        sa.PrimaryKeyConstraint("id", name="pk_activities"),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name="fk_activities_recipient_id_recipients"),
        sa.UniqueConstraint("external_id", name="uq_activities_external_id"),
    )
    op.create_index("ix_activities_recipient", "activities", ["recipient_id", "kind", "at"])


def _consents(op: Operations) -> None:
    op.create_table(
        "consents",
        *_required(BIG_ID, "id"),
        *_required(BIG, "recipient_id"),
        *_required(TEXT, "channel", "purpose", "action"),
        *_required(INSTANT, "at", "recorded_at"),
        *_required(TEXT, "source"),
        *_optional(TEXT, "text_version"),
        *_required(JSON, "evidence"),
        *_required(TEXT, "actor"),
        sa.PrimaryKeyConstraint("id", name="pk_consents"),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name="fk_consents_recipient_id_recipients"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_consents_recipient", "consents", ["recipient_id", "at"])
    op.create_table(
        "consent_states",
        *_required(BIG, "recipient_id"),
        *_required(TEXT, "channel", "purpose", "action"),
        *_required(INSTANT, "at"),
        sa.PrimaryKeyConstraint("recipient_id", "channel", "purpose", name="pk_consent_states"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "opt_ins",
        *_required(BIG_ID, "id"),
        *_required(BIG, "recipient_id"),
        *_required(TEXT, "channel"),
        *_required(JSON, "purposes"),
        *_required(TEXT, "address_hash", "source"),
        *_optional(TEXT, "text_version"),
        *_required(JSON, "evidence"),
        *_required(TEXT, "actor"),
        *_required(INSTANT, "requested_at", "expires_at"),
        *_optional(INSTANT, "confirmed_at"),
        sa.PrimaryKeyConstraint("id", name="pk_opt_ins"),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name="fk_opt_ins_recipient_id_recipients"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_opt_ins_address", "opt_ins", ["address_hash", "requested_at"])
    op.create_index("ix_opt_ins_recipient", "opt_ins", ["recipient_id"])
    op.create_table(
        "screenings",
        *_required(TEXT, "register", "kind", "hash"),
        *_required(BOOLEAN, "is_listed"),
        *_required(INSTANT, "screened_at", "valid_until"),
        sa.PrimaryKeyConstraint("kind", "hash", "register", name="pk_screenings"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "suppressions",
        *_required(TEXT, "kind", "hash", "reason", "source"),
        *_required(INSTANT, "at"),
        *_optional(INSTANT, "until"),
        sa.PrimaryKeyConstraint("kind", "hash", name="pk_suppressions"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_suppressions_until", "suppressions", ["until"], **_only("until IS NOT NULL"))


def _jobs(op: Operations) -> None:
    op.create_table(
        "contents",
        *_required(TEXT, "hash"),
        *_required(BYTES, "body"),
        *_required(INSTANT, "created_at"),
        sa.PrimaryKeyConstraint("hash", name="pk_contents"),
    )
    op.create_table(
        "offers",
        *_required(BIG_ID, "id"),
        *_required(TEXT, "key"),
        *_required(BYTES, "body"),
        *_required(INSTANT, "created_at"),
        *_required(BIG, "used", "spent_minor"),
        sa.PrimaryKeyConstraint("id", name="pk_offers"),
        sa.UniqueConstraint("key", name="uq_offers_key"),
    )
    op.create_table(
        "jobs",
        *_required(BIG_ID, "id"),
        *_required(TEXT, "public_id", "client", "name", "purpose", "state"),
        *_required(SMALL, "lane", "priority"),
        *_required(BYTES, "spec"),
        *_required(BIG, "cursor"),
        *_required(INSTANT, "accepted_at", "start_at"),
        *_optional(INSTANT, "expanded_at", "ended_at"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("public_id", name="uq_jobs_public_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_jobs_state", "jobs", ["state", "start_at"])
    op.create_table(
        "job_audiences",
        sa.Column("job_id", BIG, autoincrement=False, nullable=False),
        *_required(BYTES, "body"),
        sa.PrimaryKeyConstraint("job_id", name="pk_job_audiences"),
    )
    op.create_table(
        "job_rejects",
        *_required(BIG, "job_id", "position"),
        *_required(TEXT, "external_id", "reason"),
        sa.PrimaryKeyConstraint("job_id", "position", name="pk_job_rejects"),
    )


def _library(op: Operations) -> None:
    op.create_table(
        "templates",
        *_required(BIG_ID, "id"),
        *_required(TEXT, "key", "channel", "description"),
        *_required(SMALL, "latest"),
        *_optional(SMALL, "approved"),
        *_required(INSTANT, "created_at"),
        *_optional(INSTANT, "archived_at"),
        sa.PrimaryKeyConstraint("id", name="pk_templates"),
        sa.UniqueConstraint("key", name="uq_templates_key"),
    )
    op.create_table(
        "template_versions",
        *_required(BIG, "template_id"),
        *_required(SMALL, "number"),
        *_required(TEXT, "content", "default_locale"),
        *_optional(TEXT, "brand"),
        *_required(TEXT, "author"),
        *_required(INSTANT, "created_at"),
        *_optional(TEXT, "approved_by"),
        *_optional(INSTANT, "approved_at"),
        sa.PrimaryKeyConstraint("template_id", "number", name="pk_template_versions"),
        sa.ForeignKeyConstraint(["template_id"], ["templates.id"], name="fk_template_versions_template_id_templates"),
        sqlite_with_rowid=False,
    )


def _ledger(op: Operations) -> None:
    op.create_table(
        "entries",
        *_required(BIG, "job_id", "recipient_id"),
        *_required(INSTANT, "entered_at"),
        *_optional(INSTANT, "next_at", "sent_at", "ended_at"),
        *_required(SMALL, "run", "shard", "step", "route"),
        *_optional(SMALL, "next_step"),
        *_required(TEXT, "arm"),
        *_optional(TEXT, "ended", "segment"),
        *_optional(BIG, "offer_id"),
        *_optional(JSON, "variables"),
        sa.PrimaryKeyConstraint("job_id", "recipient_id", "run", name="pk_entries"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_entries_active", "entries", ["job_id"], **_only("ended IS NULL"))
    op.create_index("ix_entries_next", "entries", ["shard", "next_at"], **_only("next_at IS NOT NULL"))
    op.create_index("ix_entries_recipient", "entries", ["recipient_id"])
    op.create_table(
        "sends",
        *_required(BIG, "job_id", "recipient_id"),
        *_optional(INSTANT, "due_at", "cap_at", "expires_at"),
        *_required(INSTANT, "changed_at"),
        *_optional(BIG, "claim_id"),
        *_required(SMALL, "run", "step", "shard", "lane", "tries"),
        *_required(TEXT, "channel", "purpose", "state"),
        *_optional(TEXT, "reason", "trace"),
        sa.PrimaryKeyConstraint("job_id", "recipient_id", "run", "step", "channel", name="pk_sends"),
        sqlite_with_rowid=False,
        postgresql_with={"fillfactor": 80},
    )
    op.create_index(
        "ix_sends_cap", "sends", ["recipient_id", "cap_at", "channel", "purpose"], **_only("cap_at IS NOT NULL")
    )
    op.create_index("ix_sends_due", "sends", ["channel", "shard", "lane", "due_at"], **_only("due_at IS NOT NULL"))


def _tries(op: Operations) -> None:
    op.create_table(
        "claims",
        *_required(BIG_ID, "id"),
        *_required(TEXT, "channel"),
        *_required(SMALL, "shard"),
        *_required(TEXT, "worker"),
        *_required(INSTANT, "lease_until"),
        *_required(BYTES, "members"),
        sa.PrimaryKeyConstraint("id", name="pk_claims"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "doubts",
        *_required(BIG, "job_id", "recipient_id"),
        *_required(SMALL, "run", "step"),
        *_required(TEXT, "channel"),
        *_required(INSTANT, "since", "machine_since"),
        *_optional(INSTANT, "ask_at"),
        *_required(SMALL, "asked"),
        *_optional(INSTANT, "alerted_at"),
        sa.PrimaryKeyConstraint("job_id", "recipient_id", "run", "step", "channel", name="pk_doubts"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "attempts",
        *_required(BIG, "job_id", "recipient_id", "claim_id", "address_id"),
        *_required(INSTANT, "at"),
        *_required(SMALL, "run", "step"),
        *_required(TEXT, "channel", "outcome"),
        *_optional(TEXT, "provider_id", "code", "detail"),
        sa.PrimaryKeyConstraint(
            "job_id", "recipient_id", "run", "step", "channel", "address_id", "claim_id", name="pk_attempts"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_attempts_provider", "attempts", ["provider_id"], **_only("provider_id IS NOT NULL"))


def _events(op: Operations) -> None:
    op.create_table(
        "events",
        *_required(BIG_ID, "id"),
        *_required(BIG, "recipient_id"),
        *_optional(BIG, "job_id"),
        *_optional(SMALL, "run", "step"),
        *_optional(TEXT, "channel"),
        *_required(TEXT, "type"),
        *_required(INSTANT, "at", "recorded_at"),
        *_optional(TEXT, "dedupe_key", "code", "detail"),
        *_optional(JSON, "data"),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_index("ix_events_job", "events", ["job_id", "type"])
    op.create_index("ix_events_recipient", "events", ["recipient_id", "at"])
    op.create_index("ix_events_returned", "events", ["at"], **_only("type = 'returned'"))
    op.create_index("ix_events_yielded", "events", ["at"], **_only("type = 'yielded'"))
    op.create_index("uq_events_dedupe", "events", ["dedupe_key"], unique=True, **_only("dedupe_key IS NOT NULL"))
    op.create_table(
        "parked_events",
        *_required(BIG_ID, "id"),
        *_required(TEXT, "channel", "provider_id", "event_id"),
        *_required(BYTES, "body"),
        *_required(INSTANT, "received_at"),
        sa.PrimaryKeyConstraint("id", name="pk_parked_events"),
        sa.UniqueConstraint("channel", "event_id", name="uq_parked_events_channel_event_id"),
    )
    op.create_index("ix_parked_events_provider", "parked_events", ["provider_id"])


def _answers(op: Operations) -> None:
    op.create_table(
        "replies",
        *_required(BIG_ID, "id"),
        *_optional(BIG, "recipient_id"),
        *_required(TEXT, "channel", "kind"),
        *_optional(TEXT, "address_hash"),
        *_required(TEXT, "event_id"),
        *_optional(BIG, "job_id"),
        *_optional(SMALL, "run", "step"),
        *_optional(TEXT, "text", "intent"),
        *_required(BOOLEAN, "answered", "needs_review"),
        *_required(INSTANT, "at", "recorded_at"),
        *_optional(INSTANT, "reviewed_at"),
        *_optional(TEXT, "reviewed_by"),
        sa.PrimaryKeyConstraint("id", name="pk_replies"),
        sa.UniqueConstraint("channel", "event_id", name="uq_replies_channel_event_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_replies_address", "replies", ["address_hash"])
    op.create_index("ix_replies_recipient", "replies", ["recipient_id"], **_only("recipient_id IS NOT NULL"))
    op.create_index("ix_replies_review", "replies", ["id"], **_only("needs_review"))
    op.create_index("ix_replies_text", "replies", ["recorded_at"], **_only("text IS NOT NULL"))
    op.create_table(
        "short_links",
        *_required(BIG, "job_id", "recipient_id"),
        *_required(INSTANT, "made_at"),
        *_required(SMALL, "run", "step", "link"),
        *_required(TEXT, "channel", "code"),
        sa.PrimaryKeyConstraint("job_id", "recipient_id", "run", "step", "channel", "link", name="pk_short_links"),
        sa.UniqueConstraint("code", name="uq_short_links_code"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_short_links_made", "short_links", ["made_at"])


def _standing(op: Operations) -> None:
    op.create_table(
        "soft_bounces",
        *_required(TEXT, "kind", "hash"),
        *_required(SMALL, "bounces"),
        *_required(INSTANT, "first_at", "last_at"),
        sa.PrimaryKeyConstraint("kind", "hash", name="pk_soft_bounces"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_soft_bounces_last", "soft_bounces", ["last_at"])
    op.create_table(
        "sender_hours",
        *_required(TEXT, "channel", "brand"),
        *_required(INSTANT, "hour"),
        *_required(SMALL, "stripe"),
        *_required(BIG, "accepted", "delivered", "bounced", "gone", "blocked", "complained"),
        sa.PrimaryKeyConstraint("channel", "brand", "hour", "stripe", name="pk_sender_hours"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_sender_hours_hour", "sender_hours", ["hour"])
    op.create_table(
        "senders",
        *_required(TEXT, "channel", "brand"),
        *_optional(INSTANT, "held_at"),
        *_optional(TEXT, "held_for"),
        sa.Column("alerts", TEXT, nullable=False, server_default=sa.text("''")),
        *_optional(INSTANT, "released_at"),
        *_optional(TEXT, "released_by"),
        sa.PrimaryKeyConstraint("channel", "brand", name="pk_senders"),
        sqlite_with_rowid=False,
    )


def _pools(op: Operations) -> None:
    op.create_table(
        "pool_codes",
        *_required(BIG_ID, "id"),
        *_required(BIG, "offer_id"),
        *_required(TEXT, "code", "shown"),
        *_required(INSTANT, "imported_at"),
        *_optional(INSTANT, "taken_at"),
        sa.PrimaryKeyConstraint("id", name="pk_pool_codes"),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name="fk_pool_codes_offer_id_offers"),
        sa.UniqueConstraint("code", name="uq_pool_codes_code"),
    )
    op.create_index("ix_pool_codes_free", "pool_codes", ["offer_id", "id"], **_only("taken_at IS NULL"))
    op.create_index("ix_pool_codes_offer", "pool_codes", ["offer_id"])
    op.create_table(
        "pools",
        sa.Column("offer_id", BIG, autoincrement=False, nullable=False),
        *_optional(TEXT, "told"),
        sa.PrimaryKeyConstraint("offer_id", name="pk_pools"),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name="fk_pools_offer_id_offers"),
    )


def _coupons(op: Operations) -> None:
    op.create_table(
        "coupons",
        *_required(BIG, "job_id", "recipient_id", "offer_id"),
        *_required(SMALL, "run"),
        *_required(TEXT, "code", "shown"),
        *_required(BIG, "balance"),
        *_required(INSTANT, "valid_from"),
        *_optional(INSTANT, "valid_until"),
        *_required(INSTANT, "published_at"),
        *_optional(INSTANT, "activated_at", "redeemed_at", "void_at", "held_until"),
        *_optional(TEXT, "hold"),
        sa.PrimaryKeyConstraint("job_id", "recipient_id", "run", "offer_id", name="pk_coupons"),
        sa.UniqueConstraint("code", name="uq_coupons_code"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_coupons_offer", "coupons", ["offer_id", "job_id"])
    op.create_table(
        "redemptions",
        *_required(BIG_ID, "id"),
        *_required(TEXT, "public_id", "code"),
        *_required(BIG, "offer_id", "job_id", "recipient_id"),
        *_required(SMALL, "run"),
        *_optional(SMALL, "step"),
        *_optional(TEXT, "channel", "segment"),
        *_required(INSTANT, "at", "recorded_at"),
        *_required(BIG, "amount", "balance_after"),
        *_optional(BIG, "discount_minor"),
        *_optional(TEXT, "order_id"),
        *_optional(BIG, "order_minor", "margin_minor"),
        *_optional(TEXT, "currency"),
        *_optional(JSON, "products"),
        *_optional(TEXT, "place", "till"),
        *_required(TEXT, "client"),
        *_required(SMALL, "too_late"),
        *_optional(TEXT, "reverses", "reason"),
        sa.PrimaryKeyConstraint("id", name="pk_redemptions"),
        sa.UniqueConstraint("public_id", name="uq_redemptions_public_id"),
        sa.UniqueConstraint("reverses", name="uq_redemptions_reverses"),
    )
    op.create_index("ix_redemptions_code", "redemptions", ["code"])
    op.create_index("ix_redemptions_job", "redemptions", ["job_id"])
    op.create_index("ix_redemptions_order", "redemptions", ["order_id"], **_only("order_id IS NOT NULL"))
    op.create_index("ix_redemptions_recipient", "redemptions", ["recipient_id", "offer_id"])
    op.create_table(
        "till_lines",
        *_required(BIG_ID, "id"),
        *_required(TEXT, "client", "till", "line"),
        *_required(BYTES, "fingerprint"),
        *_required(INSTANT, "at", "received_at"),
        *_required(TEXT, "ending", "outcome"),
        *_optional(TEXT, "detail", "redemption", "stands"),
        *_required(BOOLEAN, "is_earlier"),
        sa.PrimaryKeyConstraint("id", name="pk_till_lines"),
        sa.UniqueConstraint("client", "till", "line", "fingerprint", name="uq_till_lines_client_till_line_fingerprint"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_till_lines_conflicts", "till_lines", ["id"], **_only("outcome != 'redeemed'"))
    op.create_index("ix_till_lines_redemption", "till_lines", ["redemption"])
    op.create_index("ix_till_lines_stands", "till_lines", ["stands"])


def _batches(op: Operations) -> None:
    op.create_table(
        "batches",
        *_required(BIG_ID, "id"),
        *_required(TEXT, "public_id", "channel"),
        *_required(BIG, "job_id"),
        *_required(SMALL, "step"),
        *_required(TEXT, "state"),
        *_required(INSTANT, "opened_at"),
        *_optional(INSTANT, "cut_off_at"),
        *_required(INSTANT, "mailing_at"),
        *_optional(INSTANT, "planned_at", "closed_at", "sifted_at", "exported_at", "handed_over_at", "mailed_at"),
        *_optional(TEXT, "folder"),
        *_optional(JSON, "files", "totals"),
        *_optional(INSTANT, "files_removed_at"),
        *_optional(TEXT, "files_removed_why"),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
        sa.UniqueConstraint("public_id", name="uq_batches_public_id"),
    )
    op.create_index("ix_batches_state", "batches", ["state"])
    op.create_index("uq_batches_open", "batches", ["job_id", "step", "channel"], unique=True, **_only("state = 'open'"))
    op.create_table(
        "batch_parts",
        *_required(BIG, "batch_id"),
        *_required(SMALL, "number"),
        *_required(BIG, "first_sequence", "last_sequence"),
        *_required(JSON, "seeds", "files"),
        *_required(INSTANT, "written_at"),
        *_optional(INSTANT, "mailed_at", "voided_at"),
        sa.PrimaryKeyConstraint("batch_id", "number", name="pk_batch_parts"),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name="fk_batch_parts_batch_id_batches"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "batch_items",
        *_required(BIG, "batch_id", "job_id", "recipient_id"),
        *_required(SMALL, "run", "step"),
        *_optional(BIG, "sequence", "address_id"),
        *_optional(TEXT, "household"),
        *_optional(INSTANT, "pulled_at"),
        *_optional(TEXT, "pulled_why"),
        sa.PrimaryKeyConstraint("batch_id", "job_id", "recipient_id", "run", "step", name="pk_batch_items"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_batch_items_household", "batch_items", ["household"], **_only("household IS NOT NULL"))
    op.create_index("ix_batch_items_send", "batch_items", ["job_id", "recipient_id"])
    op.create_index(
        "ix_batch_items_sequence", "batch_items", ["batch_id", "sequence"], unique=True, **_only("sequence IS NOT NULL")
    )


def _callers(op: Operations) -> None:
    op.create_table(
        "idempotency",
        *_required(TEXT, "client", "route", "key"),
        *_required(BYTES, "fingerprint"),
        *_required(SMALL, "status"),
        *_required(BYTES, "body"),
        *_required(INSTANT, "created_at"),
        sa.PrimaryKeyConstraint("client", "route", "key", name="pk_idempotency"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_idempotency_created", "idempotency", ["created_at"])
    op.create_table(
        "api_keys",
        *_required(TEXT, "id", "client"),
        *_required(BYTES, "hash"),
        *_required(JSON, "scopes"),
        *_required(INSTANT, "created_at"),
        *_optional(INSTANT, "expires_at", "revoked_at"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )
    op.create_table(
        "audit",
        *_required(BIG_ID, "id"),
        *_required(INSTANT, "at"),
        *_required(TEXT, "actor", "action", "subject"),
        *_required(JSON, "detail"),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_subject", "audit", ["subject", "id"])
    op.create_table(
        "policy_versions",
        *_required(TEXT, "hash"),
        *_required(BYTES, "body"),
        *_required(INSTANT, "in_force_at"),
        sa.PrimaryKeyConstraint("hash", name="pk_policy_versions"),
    )


def _notices(op: Operations) -> None:
    op.create_table(
        "endpoints",
        *_required(BIG_ID, "id"),
        *_required(TEXT, "public_id", "client", "url", "description"),
        *_required(JSON, "types"),
        *_required(BYTES, "secrets"),
        *_required(TEXT, "state"),
        *_optional(TEXT, "reason"),
        *_required(INSTANT, "created_at"),
        *_optional(INSTANT, "failing_since", "rest_until"),
        sa.PrimaryKeyConstraint("id", name="pk_endpoints"),
        sa.UniqueConstraint("public_id", name="uq_endpoints_public_id"),
    )
    op.create_table(
        "notices",
        *_required(BIG_ID, "id"),
        *_required(TEXT, "public_id"),
        *_required(BIG, "endpoint_id"),
        *_required(TEXT, "type"),
        *_required(BYTES, "body"),
        *_required(TEXT, "state"),
        *_required(INSTANT, "created_at"),
        *_optional(INSTANT, "due_at"),
        *_required(SMALL, "tries"),
        *_optional(SMALL, "status"),
        *_optional(TEXT, "error"),
        *_optional(INSTANT, "answered_at"),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
        sa.ForeignKeyConstraint(["endpoint_id"], ["endpoints.id"], name="fk_notices_endpoint_id_endpoints"),
        sa.UniqueConstraint("endpoint_id", "public_id", name="uq_notices_endpoint_id_public_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notices_due", "notices", ["endpoint_id", "due_at"], **_only("due_at IS NOT NULL"))
    op.create_index("ix_notices_endpoint", "notices", ["endpoint_id", "id"])


def _machinery(op: Operations) -> None:
    op.create_table(
        "channel_states",
        *_required(TEXT, "channel"),
        *_optional(INSTANT, "paused_at"),
        *_optional(TEXT, "held_by", "reason"),
        *_optional(INSTANT, "paced_until", "check_at"),
        sa.Column("checks", SMALL, nullable=False, server_default=sa.text("0")),
        sa.Column("faults", SMALL, nullable=False, server_default=sa.text("0")),
        *_optional(BIG, "trying"),
        sa.PrimaryKeyConstraint("channel", name="pk_channel_states"),
    )
    op.create_table(
        "paces",
        *_required(TEXT, "scope"),
        *_required(INSTANT, "next_at"),
        sa.PrimaryKeyConstraint("scope", name="pk_paces"),
    )
    op.create_table(
        "leases",
        *_required(TEXT, "name", "holder"),
        *_required(INSTANT, "until"),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.create_table(
        "processes",
        *_required(TEXT, "name"),
        *_required(JSON, "parts"),
        *_required(TEXT, "version"),
        *_required(INSTANT, "started_at", "seen_at"),
        sa.PrimaryKeyConstraint("name", name="pk_processes"),
    )
    op.create_table(
        "business_clock",
        sa.Column("id", SMALL, autoincrement=False, nullable=False),
        *_required(BIG, "offset_us"),
        sa.PrimaryKeyConstraint("id", name="pk_business_clock"),
    )
