"""What those who hold the key may do: look a pseudonym up, rotate the key; every use is in the audit log."""
