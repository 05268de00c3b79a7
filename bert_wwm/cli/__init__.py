"""Flags and program frame; only programs import it."""
