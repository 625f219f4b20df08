"""What was proven about a model and how, and an independent checker of it."""

from treeml.certificate.cards import CardCertificate, hash_rows
from treeml.certificate.certificate import Certificate, certify, data_hash, hash_answers
from treeml.certificate.verify import Verification, verify

__all__ = [
    "CardCertificate",
    "Certificate",
    "Verification",
    "certify",
    "data_hash",
    "hash_answers",
    "hash_rows",
    "verify",
]
