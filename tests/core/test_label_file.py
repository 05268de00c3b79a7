import json

import pytest
from bert_wwm.core.label_file import read_labels

from bert_wwm.core.errors import DataError


def test_white_space_at_the_ends_is_left_out(tmp_path):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(["好评", "差评\u3000", " 中评\xa0"]))
    assert read_labels(str(path)) == ["好评", "差评", "中评"]


@pytest.mark.parametrize("content", [{"a": 1}, ["a", 1], "a"])
def test_another_content_is_refused(tmp_path, content):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"labels\.json: is broken; expected a list of labels"):
        read_labels(str(path))
