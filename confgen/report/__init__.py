"""An evaluation as one HTML page that needs nothing else: no network, no other file."""

from confgen.report.page import report_html

__all__ = ["report_html"]
