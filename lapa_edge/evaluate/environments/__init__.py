"""Simulators behind the `Environment` protocol: one file each, none imported before it is used."""
