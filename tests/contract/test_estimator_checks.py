"""Every estimator and transformer passes scikit-learn's checks, with no failure expected."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from treeml import Binarizer, OptimalTreeClassifier


@parametrize_with_checks(
    [
        OptimalTreeClassifier(),
        OptimalTreeClassifier(max_depth=None, regularization=0.02, class_weight="balanced"),
        OptimalTreeClassifier(max_depth=2, binarizer=Binarizer(method="midpoints")),
        Binarizer(),
        Binarizer(method="midpoints"),
        Binarizer(method="entropy"),
    ]
)
def test_estimator_check(estimator, check):
    check(estimator)
