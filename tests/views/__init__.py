"""The views: their data without a browser, their behaviour in one, all of them in notebooks."""
