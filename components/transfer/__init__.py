"""What a frozen encoder is worth beyond classification: small heads on what it sees, beside random weights."""
