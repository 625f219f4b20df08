from sklearn.utils.estimator_checks import parametrize_with_checks

from treeml.binarize import Binarizer


@parametrize_with_checks(
    [Binarizer(), Binarizer(method="entropy"), Binarizer(method="midpoints", max_bins=None)]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)
