"""The words that client, resource server and authorization server share (RFC 6749, RFC 9700): a glossary."""
