"""Mail that comes in: bounces, complaints, `mailto:` unsubscribes and what people write back."""
