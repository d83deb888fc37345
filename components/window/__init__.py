"""Joins the last spans into one data set, so that training sees more than the newest span."""
