"""What every student of Transformers by Hand gets: lessons, models, data, views, visible checks."""

__version__ = "0.3.0"
