"""Describes the JSON API as an OpenAPI 3.1 document, from the contracts and the error catalogue."""
