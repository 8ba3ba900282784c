"""Record the hash of every split in course/assets/splits.json, when the data change on purpose."""

import json

from course.data import SPLITS, fingerprint, sources
from course.models.catalog import ASSETS

hashes = {
    name: {split: fingerprint(sources.rows(name, split)) for split in SPLITS}
    for name in sources.NAMES
}
hashes["entities"]["sample"] = fingerprint(sources.rows("entities", "sample"))
(ASSETS / "splits.json").write_text(json.dumps(hashes, indent=1) + "\n")
