import pytest

from bert_wwm.core.errors import CheckpointError, DataError, first_reason, list_few, naming


def test_errors_name_what_the_user_knows():
    message = r"^a\.zip/model\.ckpt: broken; a\.zip$"
    with pytest.raises(CheckpointError, match=message), naming("a.zip", "/tmp/x1"):
        raise CheckpointError("/tmp/x1/model.ckpt: broken; /tmp/x1")


def test_other_errors_stay_themselves():
    error = DataError("b: broken")
    with pytest.raises(DataError) as caught, naming("a.zip", "/tmp/x1"):
        raise error
    assert caught.value is error
    with pytest.raises(ValueError, match="/tmp/x1"), naming("a.zip", "/tmp/x1"):
        raise ValueError("/tmp/x1")


@pytest.mark.parametrize(
    "count, shown",
    [(0, ""), (1, "0"), (5, "0, 1, 2, 3, 4"), (3000, "0, 1, 2, 3, 4 and 2,995 more")],
)
def test_few_of_many_names_are_listed(count, shown):
    assert list_few([str(number) for number in range(count)]) == shown


@pytest.mark.parametrize("of_cluster", ["", "From /job:worker/replica:0/task:0:\n"])
@pytest.mark.parametrize("number", ["", "2 root error(s) found.\n  (0) "])
def test_the_reason_in_messages_of_tensorflow(number, of_cluster):
    reason = f"{number}{of_cluster}disk full\n\t [[{{{{node save}}}}]]\n  (1) other"
    place = "Detected at node 'save' defined at:\n  File \"a.py\"\nNode: 'save'\n"
    assert first_reason(f"Graph execution error:\n\n{place}{reason}") == "disk full"
    assert first_reason("disk full\nhere") == first_reason("disk full") == "disk full"
