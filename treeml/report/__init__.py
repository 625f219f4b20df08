"""Pictures and pages: reads models and plain figures, knows no estimator."""

from treeml.report.card import CardPicture, card_html
from treeml.report.charts import Line, Point, size_chart
from treeml.report.drawing import amount, class_colour, percent, tree_html, tree_svg
from treeml.report.page import page

__all__ = [
    "CardPicture",
    "Line",
    "Point",
    "amount",
    "card_html",
    "class_colour",
    "page",
    "percent",
    "size_chart",
    "tree_html",
    "tree_svg",
]
