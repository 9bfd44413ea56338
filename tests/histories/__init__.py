"""Whole histories of one model, its log included, against a plain dict."""
