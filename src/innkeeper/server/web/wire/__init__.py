"""Protocol endpoints for machines: parse, call one flow, encode."""
