"""What was proven about a model and how, and an independent checker of it."""

from treeml.certificate.cards import CardCertificate, hash_rows
from treeml.certificate.certificate import Certificate, certify, data_hash, hash_answers
from treeml.certificate.costs import (
    CostCertificate,
    certify_costs,
    hash_costs,
    shifted_costs,
)
from treeml.certificate.linear_tree import LinearTreeCertificate
from treeml.certificate.sizes import SizeCertificate
from treeml.certificate.verify import Verification, verify

__all__ = [
    "CardCertificate",
    "Certificate",
    "CostCertificate",
    "LinearTreeCertificate",
    "SizeCertificate",
    "Verification",
    "certify",
    "certify_costs",
    "data_hash",
    "hash_answers",
    "hash_costs",
    "hash_rows",
    "shifted_costs",
    "verify",
]
