"""Every table of the first release.

Written out, and resting on nothing of ours: `gateway.storage.tables` goes on, a revision stays what it was.
"""

from typing import Any, Final

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy.dialects import postgresql

revision: Final = "0001"
down_revision: Final = None

# SQLite counts up only a column that is spelled INTEGER PRIMARY KEY.
BIG_ID: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Microseconds since 1970 (UTC).
INSTANT: Final = sa.BigInteger()
JSON: Final = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade(op: Operations) -> None:
    _recipients(op)
    _addresses(op)
    _consents(op)
    _consent_states(op)
    _suppressions(op)
    _activities(op)
    _contents(op)
    _offers(op)
    _jobs(op)
    _job_audiences(op)
    _job_rejects(op)
    _entries(op)
    _sends(op)
    _claims(op)
    _attempts(op)
    _events(op)
    _parked_events(op)
    _coupons(op)
    _redemptions(op)
    _batches(op)
    _batch_items(op)
    _idempotency(op)
    _api_keys(op)
    _channel_states(op)
    _leases(op)
    _business_clock(op)


def _only(condition: str) -> dict[str, Any]:
    """What an index is limited to, spelled for both databases."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _recipients(op: Operations) -> None:
    op.create_table(
        "recipients",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text()),
        sa.Column("time_zone", sa.Text()),
        sa.Column("country", sa.Text()),
        sa.Column("attributes", JSON, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("erased_at", INSTANT),
        sa.PrimaryKeyConstraint("id", name="pk_recipients"),
        sa.UniqueConstraint("external_id", name="uq_recipients_external_id"),
    )


def _addresses(op: Operations) -> None:
    op.create_table(
        "addresses",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("recipient_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("match_key", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.Column("is_primary", sa.Boolean(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_addresses"),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name="fk_addresses_recipient_id_recipients"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_addresses_recipient", "addresses", ["recipient_id", "kind"])
    op.create_index("uq_addresses_place", "addresses", ["kind", "match_key"], unique=True, **_only("kind != 'postal'"))


def _consents(op: Operations) -> None:
    op.create_table(
        "consents",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("recipient_id", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("text_version", sa.Text()),
        sa.Column("evidence", JSON, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_consents"),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name="fk_consents_recipient_id_recipients"),
    )
    op.create_index("ix_consents_recipient", "consents", ["recipient_id", "at"])


def _consent_states(op: Operations) -> None:
    op.create_table(
        "consent_states",
        sa.Column("recipient_id", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("recipient_id", "channel", "purpose", name="pk_consent_states"),
        sqlite_with_rowid=False,
    )


def _suppressions(op: Operations) -> None:
    op.create_table(
        "suppressions",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("kind", "hash", name="pk_suppressions"),
        sqlite_with_rowid=False,
    )


def _activities(op: Operations) -> None:
    op.create_table(
        "activities",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("recipient_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger()),
        sa.Column("currency", sa.Text()),
        sa.Column("data", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_activities"),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name="fk_activities_recipient_id_recipients"),
        sa.UniqueConstraint("external_id", name="uq_activities_external_id"),
    )
    op.create_index("ix_activities_recipient", "activities", ["recipient_id", "kind", "at"])


def _contents(op: Operations) -> None:
    op.create_table(
        "contents",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_contents"),
    )


def _offers(op: Operations) -> None:
    op.create_table(
        "offers",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_offers"),
        sa.UniqueConstraint("key", name="uq_offers_key"),
    )


def _jobs(op: Operations) -> None:
    op.create_table(
        "jobs",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("lane", sa.SmallInteger(), nullable=False),
        sa.Column("spec", sa.LargeBinary(), nullable=False),
        sa.Column("offer_id", sa.BigInteger()),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("accepted_at", INSTANT, nullable=False),
        sa.Column("start_at", INSTANT, nullable=False),
        sa.Column("expanded_at", INSTANT),
        sa.Column("ended_at", INSTANT),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name="fk_jobs_offer_id_offers"),
        sa.UniqueConstraint("public_id", name="uq_jobs_public_id"),
    )
    op.create_index("ix_jobs_state", "jobs", ["state", "start_at"])


def _job_audiences(op: Operations) -> None:
    op.create_table(
        "job_audiences",
        sa.Column("job_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_job_audiences"),
    )


def _job_rejects(op: Operations) -> None:
    op.create_table(
        "job_rejects",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "position", name="pk_job_rejects"),
    )


def _entries(op: Operations) -> None:
    op.create_table(
        "entries",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("recipient_id", sa.BigInteger(), nullable=False),
        sa.Column("entered_at", INSTANT, nullable=False),
        sa.Column("next_at", INSTANT),
        sa.Column("run", sa.SmallInteger(), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("step", sa.SmallInteger(), nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("ended", sa.Text()),
        sa.Column("variables", JSON),
        sa.PrimaryKeyConstraint("job_id", "recipient_id", "run", name="pk_entries"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_entries_active", "entries", ["job_id"], **_only("ended IS NULL"))
    op.create_index("ix_entries_next", "entries", ["shard", "next_at"], **_only("next_at IS NOT NULL"))
    op.create_index("ix_entries_recipient", "entries", ["recipient_id"])


def _sends(op: Operations) -> None:
    op.create_table(
        "sends",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("recipient_id", sa.BigInteger(), nullable=False),
        sa.Column("due_at", INSTANT),
        sa.Column("cap_at", INSTANT),
        sa.Column("expires_at", INSTANT),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("claim_id", sa.BigInteger()),
        sa.Column("run", sa.SmallInteger(), nullable=False),
        sa.Column("step", sa.SmallInteger(), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("lane", sa.SmallInteger(), nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("trace", sa.Text()),
        sa.PrimaryKeyConstraint("job_id", "recipient_id", "run", "step", "channel", name="pk_sends"),
        sqlite_with_rowid=False,
        postgresql_with={"fillfactor": 80},
    )
    op.create_index(
        "ix_sends_cap", "sends", ["recipient_id", "cap_at", "channel", "purpose"], **_only("cap_at IS NOT NULL")
    )
    op.create_index("ix_sends_due", "sends", ["channel", "shard", "lane", "due_at"], **_only("due_at IS NOT NULL"))


def _claims(op: Operations) -> None:
    op.create_table(
        "claims",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("lease_until", INSTANT, nullable=False),
        sa.Column("members", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_claims"),
        sqlite_autoincrement=True,
    )


def _attempts(op: Operations) -> None:
    op.create_table(
        "attempts",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("recipient_id", sa.BigInteger(), nullable=False),
        sa.Column("claim_id", sa.BigInteger(), nullable=False),
        sa.Column("address_id", sa.BigInteger(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("run", sa.SmallInteger(), nullable=False),
        sa.Column("step", sa.SmallInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Text()),
        sa.Column("code", sa.Text()),
        sa.Column("detail", sa.Text()),
        sa.PrimaryKeyConstraint(
            "job_id", "recipient_id", "run", "step", "channel", "address_id", "claim_id", name="pk_attempts"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_attempts_provider", "attempts", ["provider_id"], **_only("provider_id IS NOT NULL"))


def _events(op: Operations) -> None:
    op.create_table(
        "events",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("recipient_id", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.BigInteger()),
        sa.Column("run", sa.SmallInteger()),
        sa.Column("step", sa.SmallInteger()),
        sa.Column("channel", sa.Text()),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("dedupe_key", sa.Text()),
        sa.Column("code", sa.Text()),
        sa.Column("detail", sa.Text()),
        sa.Column("data", JSON),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_index("ix_events_job", "events", ["job_id", "type"])
    op.create_index("ix_events_recipient", "events", ["recipient_id", "at"])
    op.create_index("uq_events_dedupe", "events", ["dedupe_key"], unique=True, **_only("dedupe_key IS NOT NULL"))


def _parked_events(op: Operations) -> None:
    op.create_table(
        "parked_events",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_parked_events"),
        sa.UniqueConstraint("channel", "event_id", name="uq_parked_events_channel_event_id"),
    )
    op.create_index("ix_parked_events_provider", "parked_events", ["provider_id"])


def _coupons(op: Operations) -> None:
    op.create_table(
        "coupons",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("recipient_id", sa.BigInteger(), nullable=False),
        sa.Column("offer_id", sa.BigInteger(), nullable=False),
        sa.Column("run", sa.SmallInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("valid_from", INSTANT, nullable=False),
        sa.Column("valid_until", INSTANT),
        sa.Column("published_at", INSTANT, nullable=False),
        sa.Column("redeemed_at", INSTANT),
        sa.Column("void_at", INSTANT),
        sa.PrimaryKeyConstraint("job_id", "recipient_id", "run", "offer_id", name="pk_coupons"),
        sa.UniqueConstraint("code", name="uq_coupons_code"),
        sqlite_with_rowid=False,
    )


def _redemptions(op: Operations) -> None:
    op.create_table(
        "redemptions",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("recipient_id", sa.BigInteger(), nullable=False),
        sa.Column("run", sa.SmallInteger(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("order_id", sa.Text()),
        sa.Column("order_minor", sa.BigInteger()),
        sa.Column("currency", sa.Text()),
        sa.Column("place", sa.Text()),
        sa.Column("client", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_redemptions"),
        sa.UniqueConstraint("code", name="uq_redemptions_code"),
        sa.UniqueConstraint("public_id", name="uq_redemptions_public_id"),
    )
    op.create_index("ix_redemptions_job", "redemptions", ["job_id"])


def _batches(op: Operations) -> None:
    op.create_table(
        "batches",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("mailing_at", INSTANT, nullable=False),
        sa.Column("exported_at", INSTANT),
        sa.Column("handed_over_at", INSTANT),
        sa.Column("folder", sa.Text()),
        sa.Column("files", JSON),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
        sa.UniqueConstraint("public_id", name="uq_batches_public_id"),
    )
    op.create_index("ix_batches_state", "batches", ["state"])
    op.create_index("uq_batches_open", "batches", ["job_id", "channel"], unique=True, **_only("state = 'open'"))


def _batch_items(op: Operations) -> None:
    op.create_table(
        "batch_items",
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("recipient_id", sa.BigInteger(), nullable=False),
        sa.Column("run", sa.SmallInteger(), nullable=False),
        sa.Column("step", sa.SmallInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger()),
        sa.PrimaryKeyConstraint("batch_id", "job_id", "recipient_id", "run", "step", name="pk_batch_items"),
        sqlite_with_rowid=False,
    )


def _idempotency(op: Operations) -> None:
    op.create_table(
        "idempotency",
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("client", "route", "key", name="pk_idempotency"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_idempotency_created", "idempotency", ["created_at"])


def _api_keys(op: Operations) -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT),
        sa.Column("revoked_at", INSTANT),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )


def _channel_states(op: Operations) -> None:
    op.create_table(
        "channel_states",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("paused_at", INSTANT),
        sa.Column("reason", sa.Text()),
        sa.Column("paced_until", INSTANT),
        sa.PrimaryKeyConstraint("channel", name="pk_channel_states"),
    )


def _leases(op: Operations) -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )


def _business_clock(op: Operations) -> None:
    op.create_table(
        "business_clock",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("offset_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_business_clock"),
    )
