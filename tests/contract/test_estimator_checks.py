"""Every estimator and transformer passes scikit-learn's checks, with no failure expected."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from treeml import Binarizer, OptimalTreeClassifier, RashomonTreesClassifier


@parametrize_with_checks(
    [
        OptimalTreeClassifier(),
        OptimalTreeClassifier(max_depth=None, regularization=0.02, class_weight="balanced"),
        OptimalTreeClassifier(max_depth=2, binarizer=Binarizer(method="midpoints")),
        # one check has class weights of 1000 and .0001: counted sets need a grid
        RashomonTreesClassifier(max_depth=2, resolution=1),
        RashomonTreesClassifier(
            max_depth=2, epsilon=0.5, predict_by="vote", labels="majority", resolution=1
        ),
        Binarizer(),
        Binarizer(method="midpoints"),
        Binarizer(method="entropy"),
    ]
)
def test_estimator_check(estimator, check):
    check(estimator)
