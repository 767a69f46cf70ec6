"""What every client authentication method promises to the endpoints that know clients."""
