"""Tests, in the order of the house: unit, properties, contract, flows, http, e2e, browser, attacks."""
