"""What a person looks at, from the data of trials alone."""

from keras_nas.reports.functional_anova import FunctionalAnova
from keras_nas.reports.html_report import html_report, write_html_report
from keras_nas.reports.model_drawing import draw_model
from keras_nas.reports.results_dataframe import results_dataframe
from keras_nas.reports.search_results import SearchResults
from keras_nas.reports.trial_result import TrialResult

__all__ = [
    "FunctionalAnova",
    "SearchResults",
    "TrialResult",
    "draw_model",
    "html_report",
    "results_dataframe",
    "write_html_report",
]
