"""The win-back job of the demonstration: whom it is for, what it offers, what it says."""

from gateway.demo.campaign.job import LANGUAGES, OFFER, STEPS, card_draft, job, offer

__all__ = ["LANGUAGES", "OFFER", "STEPS", "card_draft", "job", "offer"]
