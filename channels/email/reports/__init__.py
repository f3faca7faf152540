"""What the providers behind a relay report over HTTP: Amazon SES, SendGrid, Mailgun, Postmark; one vocabulary."""
