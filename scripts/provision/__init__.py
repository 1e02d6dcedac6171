"""Provisioning a trust from the operator's machine: what ``make add-local-trust`` and its siblings run.

Needs the packages of ``ansible/requirements.lock`` and nothing of the product itself.
"""
